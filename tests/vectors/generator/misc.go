// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	v1 "github.com/nats-io/jwt/v2/v1compat"
	"github.com/nats-io/nkeys"
)

type object = map[string]any

func (s *source) misc() object {
	creds, decorated, tolerated := s.files()
	return object{
		"activation_hash_ids": s.activationHashIDs(),
		"creds":               creds,
		"decorated":           decorated,
		"key_parsing":         s.keyParsing(),
		"keys":                s.keys(),
		"refused_tokens":      s.refusedTokens(),
		"sealed_boxes":        s.sealedBoxes(),
		"subject_containment": subjectContainment(),
		"tolerated_files":     tolerated,
		"version_1_tokens":    s.version1Tokens(),
	}
}

func (s *source) message(i int) string {
	messages := []string{"the quick brown fox", "", "a", "line\nline\r\n", "ünïcode 数据 😀", "\x00\x01\x7f", strings.Repeat("long ", 2000)}
	if i < len(messages) {
		return messages[i]
	}
	return s.text()
}

func (s *source) keys() []object {
	var list []object
	for _, prefix := range publicPrefixes {
		for i := range 20 {
			kp := s.key(prefix)
			k := object{"type": prefix.String(), "seed": seed(kp), "public_key": public(kp)}
			if prefix == nkeys.PrefixByteCurve {
				k["type"] = "curve"
			} else {
				message := s.message(i)
				k["message"] = message
				k["private_key"] = string(must(kp.PrivateKey()))
				k["signature_base64url"] = base64.RawURLEncoding.EncodeToString(must(kp.Sign([]byte(message))))
			}
			list = append(list, k)
		}
	}
	return list
}

func (s *source) keyParsing() []object {
	var list []object
	add := func(as, input string, valid bool) {
		list = append(list, object{"as": as, "input": input, "valid": valid})
	}
	seedIsValid := func(input string) bool { _, err := nkeys.FromSeed([]byte(input)); return err == nil }
	kinds := []struct {
		as     string
		prefix nkeys.PrefixByte
		valid  func(string) bool
	}{
		{"public_operator_key", nkeys.PrefixByteOperator, nkeys.IsValidPublicOperatorKey},
		{"public_account_key", nkeys.PrefixByteAccount, nkeys.IsValidPublicAccountKey},
		{"public_user_key", nkeys.PrefixByteUser, nkeys.IsValidPublicUserKey},
		{"public_server_key", nkeys.PrefixByteServer, nkeys.IsValidPublicServerKey},
		{"public_cluster_key", nkeys.PrefixByteCluster, nkeys.IsValidPublicClusterKey},
		{"public_curve_key", nkeys.PrefixByteCurve, nkeys.IsValidPublicCurveKey},
	}
	// Left out on purpose are inputs that nkeys accepts and this project refuses, so that every mistyped character is an error: another
	// value of unused bits in the last character, a character too many, curve keys of another length.
	garbled := func(good string) []string {
		at := 3 + s.IntN(len(good)-6)
		other := good[:at] + string(rune('A'+(good[at]-'A'+1)%26)) + good[at+1:]
		return []string{
			good, "", good[:1], good[:2], good[:3], good[:len(good)-1], good[:len(good)-2], good + "AA", good + "=", good + "======", other,
			good[:at] + good[at+1:], good[:at] + "!" + good[at+1:], good[:at] + "1" + good[at+1:], good[:at] + "é" + good[at+1:], good[:at] + "\n" + good[at:],
			good + "\n", good + "\r\n", "\n" + good, " " + good, good + " ", "\t" + good, good + "\x00", strings.ToLower(good), good[:1] + strings.ToLower(good[1:]), good + good,
		}
	}
	for _, prefix := range publicPrefixes {
		for range 2 {
			kp := s.key(prefix)
			for _, input := range garbled(seed(kp)) {
				add("seed", input, seedIsValid(input))
			}
			for _, other := range []string{public(kp), string(must(kp.PrivateKey()))} {
				add("seed", other, seedIsValid(other))
			}
			for _, p := range kinds {
				add(p.as, public(kp), p.valid(public(kp)))
				add(p.as, seed(kp), p.valid(seed(kp)))
			}
		}
	}
	for _, p := range kinds {
		for _, input := range garbled(s.public(p.prefix)) {
			add(p.as, input, p.valid(input))
		}
		// Right checksums around wrong contents.
		for _, raw := range [][]byte{make([]byte, 32), append([]byte{1}, make([]byte, 31)...), append(make([]byte, 31), 0x80), s.raw()[:31], append(s.raw(), 1), {}, {1},
			append([]byte{0xed}, append(bytes.Repeat([]byte{0xff}, 30), 0x7f)...), bytes.Repeat([]byte{0xff}, 32)} {
			input := string(must(nkeys.Encode(p.prefix, raw)))
			if p.prefix != nkeys.PrefixByteCurve || len(raw) == 32 {
				add(p.as, input, p.valid(input))
			}
			input = string(must(nkeys.Encode(nkeys.PrefixByteSeed, append([]byte{byte(p.prefix)}, raw...))))
			add("seed", input, seedIsValid(input))
		}
	}
	return list
}

func (s *source) sealedBoxes() []object {
	var list []object
	for i := range 30 {
		sender, recipient := s.key(nkeys.PrefixByteCurve), s.key(nkeys.PrefixByteCurve)
		if i%10 == 9 {
			recipient = sender
		}
		plain := s.message(i)
		sealed := must(must(nkeys.FromCurveSeed([]byte(seed(sender)))).SealWithRand([]byte(plain), public(recipient), s.bytes))
		list = append(list, object{"plaintext": plain, "sealed_base64": base64.StdEncoding.EncodeToString(sealed),
			"sender_seed": seed(sender), "sender_public_key": public(sender),
			"recipient_seed": seed(recipient), "recipient_public_key": public(recipient)})
	}
	return list
}

func (s *source) activationHashIDs() []object {
	subjects := []string{"a", "a.b", "*", ">", "*.a", "*.>", "a.*", "a.>", "a.*.b", "a.*.b.>", "a.b.>", "a.b*.c", ">.a", "a.>.b", "a..b", ".*", "..>", "é.*", "$1.a.*", " ", "\x01.<&>", "😀.>"}
	for range 40 {
		subjects = append(subjects, s.goodSubject())
	}
	var list []object
	for _, subject := range subjects {
		c := jwt.NewActivationClaims(s.public(nkeys.PrefixByteAccount))
		c.ImportSubject, c.ImportType = jwt.Subject(subject), pick(s, jwt.Stream, jwt.Service)
		if s.chance(30) {
			c.IssuerAccount = s.public(nkeys.PrefixByteAccount)
		}
		token := must(c.Encode(s.key(nkeys.PrefixByteAccount)))
		list = append(list, object{"token": token, "issuer": c.Issuer, "hash_id": must(c.HashID())})
	}
	return list
}

func subjectContainment() []object {
	subjects := []string{
		"a", "b", "a.b", "a.c", "b.b", "a.b.c", "a.b.c.d", "*", ">", "*.*", "*.*.*", "*.b", "a.*", "a.*.c", "*.b.*", "*.>", "*.*.>", "a.>", "a.b.>", "a.*.>", "b.>",
		"", ".", "..", "a.", ".a", "a..b", ">.a", "a.>.b", "a.*b", "a>", "A", "a b", "$1", "a.$1", "é", "é.*", "*.", ".>", "<&>.\x01",
	}
	var list []object
	for _, subject := range subjects {
		for _, other := range subjects {
			list = append(list, object{"subject": subject, "other": other, "contained": jwt.Subject(subject).IsContainedIn(jwt.Subject(other))})
		}
	}
	return list
}

// files returns what the library writes, and what it reads besides.
func (s *source) files() (creds, decorated, tolerated []object) {
	decorate := func(text string, of func() ([]byte, error), key string) {
		decorated = append(decorated, object{"decorated": string(must(of())), key: text})
	}
	for i := range 20 {
		for _, kind := range []string{"operator", "account", "activation"} {
			claims, signer := s.claims(kind)
			token := must(claims.Encode(signer))
			decorate(token, func() ([]byte, error) { return jwt.DecorateJWT(token) }, "token")
		}
		for _, prefix := range publicPrefixes[:3] {
			text := seed(s.key(prefix))
			decorate(text, func() ([]byte, error) { return jwt.DecorateSeed([]byte(text)) }, "seed")
		}

		user := s.key(nkeys.PrefixByteUser)
		claims, signer := s.user()
		claims.Claims().Subject = public(user)
		token := must(claims.Encode(signer))
		decorate(token, func() ([]byte, error) { return jwt.DecorateJWT(token) }, "token")
		text := string(must(jwt.FormatUserConfig(token, []byte(seed(user)))))
		creds = append(creds, object{"creds": text, "token": token, "seed": seed(user)})
		if i < 3 {
			tolerated = append(tolerated, toleratedFiles(text, token, seed(user))...)
		}
	}
	return creds, decorated, tolerated
}

// toleratedFiles are odd files with what the library finds in them; token or
// seed is null where it finds none.
func toleratedFiles(creds, token, seed string) []object {
	crlf := strings.ReplaceAll(creds, "\n", "\r\n")
	short := fmt.Sprintf("---\n%s\n---\n---\n%s\n---", token, seed)
	files := []string{
		creds, crlf, "text before\n" + creds + "text after\n", "\ufeff" + creds, strings.TrimRight(creds, "\n*"), short, short + "\n", "\n\n\n" + creds,
		strings.ReplaceAll(creds, "-----", "------------"), strings.ReplaceAll(creds, "-----", "---"), strings.ReplaceAll(creds, "-----", "--"),
		strings.ReplaceAll(creds, "USER", "WHATEVER"), strings.ReplaceAll(creds, "\n-----", "\n  -----"), strings.ReplaceAll(creds, token, token+" "),
		strings.ReplaceAll(creds, token, "\n"+token), strings.ReplaceAll(creds, seed, " "+seed), strings.ReplaceAll(creds, seed, seed+"\r"), strings.ReplaceAll(creds, "\n", "\r"),
		strings.ReplaceAll(creds, "-----BEGIN NATS USER JWT-----\n", ""), strings.ReplaceAll(creds, "------END NATS USER JWT------\n", ""),
		strings.ReplaceAll(creds, "-----BEGIN USER NKEY SEED-----\n", ""), strings.ReplaceAll(creds, "------END USER NKEY SEED------\n", ""),
		fmt.Sprintf("-----A-----\n%s\n-----B-----\n-----A-----\n%s\n-----B-----\n", seed, token), fmt.Sprintf("-----A-----\n%s\n-----B-----\n", token),
		fmt.Sprintf("-----A-----\n%s\n-----B-----\n", seed), token, token + "\n", seed, seed + "\n", "  " + seed, "# comment\n" + seed + "\n# more\n", seed + "\r\n", token + "\n" + seed + "\n",
		creds + creds, "", "\n", "no secrets here\n", "SU\n", "SUDDENLY nothing\n", strings.ToLower(creds), strings.ReplaceAll(creds, seed, seed[:len(seed)-1]+"A"),
	}
	var list []object
	for _, file := range files {
		o := object{"file": file, "token": nil, "seed": nil}
		// A plain file is found with the white space around its token, which is no part of it.
		if found := strings.TrimSpace(must(jwt.ParseDecoratedJWT([]byte(file)))); decodes(found) {
			o["token"] = found
		}
		if kp, err := jwt.ParseDecoratedNKey([]byte(file)); err == nil {
			// The key pair keeps the text that it was read from; its own spelling is wanted.
			prefix, raw, err := nkeys.DecodeSeed(must(kp.Seed()))
			check(err)
			o["seed"] = string(must(nkeys.EncodeSeed(prefix, raw)))
		}
		list = append(list, o)
	}
	return list
}

func decodes(token string) bool {
	_, err := jwt.Decode(token)
	return err == nil
}

func (s *source) version1Tokens() []object {
	var list []object
	add := func(kind, token string) {
		list = append(list, object{"kind": kind, "token": token, "migrated": json.RawMessage(must(json.Marshal(must(jwt.Decode(token)))))})
	}
	for range 40 {
		operator, account := s.key(nkeys.PrefixByteOperator), s.key(nkeys.PrefixByteAccount)

		o := v1.NewOperatorClaims(public(operator))
		s.version1Common(&o.ClaimsData)
		o.SigningKeys = some(s, 3, func() string { return s.keyOf(nkeys.PrefixByteOperator, 10) })
		if s.chance(50) {
			o.AccountServerURL = pick(s, parseableURLs[:4]...)
		}
		o.OperatorServiceURLs = some(s, 3, s.serviceURL)
		if s.chance(50) {
			o.SystemAccount = s.public(nkeys.PrefixByteAccount)
		}
		if s.chance(20) {
			o.Identities = []v1.Identity{{ID: s.text(), Proof: s.text()}}
		}
		add("operator", must(o.Encode(operator)))

		a := v1.NewAccountClaims(public(account))
		s.version1Common(&a.ClaimsData)
		a.Imports = some(s, 4, func() *v1.Import {
			i := &v1.Import{Name: s.maybeText(), Subject: v1.Subject(s.subject()), Account: s.public(nkeys.PrefixByteAccount), Type: pick(s, v1.Stream, v1.Service)}
			if s.chance(50) {
				i.To = v1.Subject(s.subject())
			}
			if s.chance(30) {
				i.Token = pick(s, "token", "https://h.example/token")
			}
			return i
		})
		a.Exports = some(s, 4, func() *v1.Export {
			e := &v1.Export{Name: s.maybeText(), Subject: v1.Subject(s.subject()), Type: pick(s, v1.Stream, v1.Service), TokenReq: s.chance(30)}
			if s.chance(30) {
				e.Revocations = v1.RevocationList{s.public(nkeys.PrefixByteAccount): 1.6e9, "*": 1}
			}
			if e.Type == v1.Service {
				e.ResponseType = pick(s, v1.ResponseType(""), v1.ResponseTypeSingleton, v1.ResponseTypeStream, v1.ResponseTypeChunked)
				if s.chance(40) {
					e.Latency = &v1.ServiceLatency{Sampling: pick(s, 0, 1, 50, 100), Results: v1.Subject(s.subject())}
				}
			}
			e.AccountTokenPosition = pick(s, uint(0), 0, 1, 2)
			return e
		})
		if s.chance(60) {
			a.Limits = v1.OperatorLimits{Subs: s.number(), Conn: s.number(), LeafNodeConn: s.number(), Imports: s.number(), Exports: s.number(), Data: s.number(),
				Payload: s.number(), WildcardExports: s.chance(50)}
		}
		a.SigningKeys = some(s, 4, func() string { return s.keyOf(nkeys.PrefixByteAccount, 10) })
		if s.chance(40) {
			a.Revocations = v1.RevocationList(s.revocations(nkeys.PrefixByteUser))
		}
		if s.chance(20) {
			a.Identities = []v1.Identity{{ID: s.text(), Proof: s.text()}}
		}
		add("account", must(a.Encode(pick(s, operator, account))))

		u := v1.NewUserClaims(s.public(nkeys.PrefixByteUser))
		s.version1Common(&u.ClaimsData)
		u.Pub = v1.Permission{Allow: some(s, 3, s.subject), Deny: some(s, 3, s.subject)}
		u.Sub = v1.Permission{Allow: some(s, 3, s.subject), Deny: some(s, 3, s.subject)}
		if s.chance(40) {
			u.Resp = &v1.ResponsePermission{MaxMsgs: s.IntN(9), Expires: time.Duration(s.number())}
		}
		if s.chance(50) {
			u.Limits = v1.Limits{Max: s.number(), Payload: s.number(),
				Src: pick(s, "", "10.0.0.0/8", "10.0.0.0/8,192.168.1.1/32", "10.0.0.0/8, 2001:DB8::/32 ,,10.0.0.0/8", "bad", " , ")}
			for _, t := range s.userLimits().Times {
				u.Times = append(u.Times, v1.TimeRange(t))
			}
		}
		u.BearerToken = s.chance(30)
		if s.chance(50) {
			u.IssuerAccount = s.public(nkeys.PrefixByteAccount)
		}
		add("user", must(u.Encode(account)))

		c := v1.NewActivationClaims(public(account))
		s.version1Common(&c.ClaimsData)
		c.ImportSubject, c.ImportType = v1.Subject(s.subject()), pick(s, v1.Stream, v1.Service)
		if s.chance(40) {
			c.Limits = v1.Limits{Max: 10, Payload: 20, Src: "10.0.0.0/8", Times: []v1.TimeRange{{Start: "08:00:00", End: "09:00:00"}}}
		}
		if s.chance(50) {
			c.IssuerAccount = s.public(nkeys.PrefixByteAccount)
		}
		add("activation", must(c.Encode(pick(s, account, operator))))
	}
	return list
}

func (s *source) version1Common(c *v1.ClaimsData) {
	var base jwt.ClaimsData
	s.common(&base)
	c.Name, c.Audience, c.Expires, c.NotBefore = base.Name, base.Audience, base.Expires, base.NotBefore
	c.Tags = v1.TagList(s.tags())
}

// refusedTokens holds a case for every error of the library's decoder.
func (s *source) refusedTokens() []object {
	operator, account, user, server := s.key(nkeys.PrefixByteOperator), s.key(nkeys.PrefixByteAccount), s.key(nkeys.PrefixByteUser), s.key(nkeys.PrefixByteServer)
	var list []object
	add := func(why, token string) {
		_, err := jwt.Decode(token)
		if err == nil {
			check(fmt.Errorf("%s: not refused", why))
		}
		list = append(list, object{"why": why, "token": token, "error": err.Error()})
	}
	plain := body(public(user), account, `{"pub":{},"sub":{},"type":"user","version":2}`)
	good := sign(header, plain, account)
	part := strings.Split(good, ".")
	other := strings.Split(sign(header, body(public(user), account, `{"type":"user","version":2}`), account), ".")
	signed := func(nats string) string { return sign(header, body(public(user), account, nats), account) }
	accountSigned := func(nats string) string {
		return sign(header, body(public(account), operator, nats), operator)
	}
	join := func(parts ...string) string { return strings.Join(parts, ".") }

	// The envelope.
	add("empty", "")
	add("one part", "token")
	add("two parts", join(part[0], part[1]))
	add("four parts", good+".x")
	add("only dots", "..")
	add("too many dots", "....")
	add("no header", join("", part[1], part[2]))
	add("no payload", join(part[0], "", part[2]))
	add("no signature", join(part[0], part[1], ""))
	add("too large", good+strings.Repeat("A", 1024*1024-len(good)+1))
	add("space before", " "+good)
	add("space after", good+" ")
	add("decorated", string(must(jwt.DecorateJWT(good))))
	add("standard base64 in the header", join("+/"+part[0][2:], part[1], part[2]))
	add("header is not base64", join("***", part[1], part[2]))
	add("padded header", join(part[0]+"==", part[1], part[2]))
	add("header is not JSON", join(b64("{foo: bar}"), part[1], part[2]))
	add("header is a list", sign("[]", plain, account))
	add("header is null", sign("null", plain, account))
	add("header is empty", sign("{}", plain, account))
	add("header without typ", sign(`{"alg":"ed25519-nkey"}`, plain, account))
	add("header without alg", sign(`{"typ":"JWT"}`, plain, account))
	add("typ wrong", sign(`{"typ":"JWS","alg":"ed25519-nkey"}`, plain, account))
	add("typ is a number", sign(`{"typ":1,"alg":"ed25519-nkey"}`, plain, account))
	for _, alg := range []string{"none", "HS256", "RS256", "EdDSA", "ed25519-nkey2", "ed25519x", "ed2551", " ed25519-nkey", "", "q\\\"<&>"} {
		add("alg "+alg, sign(`{"typ":"JWT","alg":"`+alg+`"}`, plain, account))
	}
	add("trailing data after the header", sign(header+"{}", plain, account))

	// The payload.
	add("payload is not base64", join(part[0], "***", part[2]))
	add("padded payload", join(part[0], part[1]+"=", part[2]))
	add("standard base64 in the payload", join(part[0], "+"+part[1][1:], part[2]))
	for why, payload := range map[string]string{
		"cut short": "{", "a list": "[]", "a string": `"x"`, "a number": "1", "nothing": " ", "two values": plain + "{}", "cut": plain[:len(plain)-1],
		"with a comma too many": strings.Replace(plain, `"X",`, `"X",,`, 1), "with a bare newline": strings.Replace(plain, `"n"`, "\"n\n\"", 1),
		"with single quotes": strings.ReplaceAll(plain, `"`, "'"), "with NaN": strings.Replace(plain, "1700000000", "NaN", 1),
		"with a bad escape": strings.Replace(plain, `"n"`, `"\x41"`, 1), "with a leading zero": strings.Replace(plain, "1700000000", "01", 1),
		"not UTF-8 and not JSON": "\xff\xfe", "with a byte order mark": "\ufeff" + plain,
	} {
		add("payload is "+why, sign(header, payload, account))
	}
	for why, change := range map[string][2]string{
		"iat is a string": {"1700000000", `"1700000000"`}, "iat has a fraction": {"1700000000", "1.5"}, "iat is too large": {"1700000000", "9223372036854775808"},
		"iat has an exponent": {"1700000000", "1e9"}, "name is a number": {`"n"`, "5"}, "name is a list": {`"n"`, "[]"}, "jti is an object": {`"X"`, "{}"},
	} {
		add(why, sign(header, strings.Replace(plain, change[0], change[1], 1), account))
	}
	for _, nats := range []string{`5`, `[]`, `"x"`, `{"type":5}`, `{"type":"user","version":"2"}`, `{"type":"user","version":2.5}`, `{"type":"user","version":2,"tags":"x"}`,
		`{"type":"user","version":2,"pub":[]}`, `{"type":"user","version":2,"pub":{"allow":"a"}}`, `{"type":"user","version":2,"pub":{"allow":[1]}}`,
		`{"type":"user","version":2,"subs":"1"}`, `{"type":"user","version":2,"subs":1.5}`, `{"type":"user","version":2,"subs":-9223372036854775809}`,
		`{"type":"user","version":2,"src":5}`, `{"type":"user","version":2,"src":[5]}`, `{"type":"user","version":2,"times":{}}`, `{"type":"user","version":2,"bearer_token":1}`,
		`{"type":"user","version":2,"resp":{"ttl":"1s"}}`, `{"type":"user","version":2,"allowed_connection_types":"STANDARD"}`,
		`{"type":"activation","version":2,"kind":"queue"}`, `{"type":"activation","version":2,"kind":1}`} {
		add("wrong type in nats: "+nats, signed(nats))
	}
	key := public(account)
	for _, nats := range []string{
		`"exports":{}`, `"exports":[1]`, `"exports":[{"type":"queue"}]`, `"exports":[{"type":""}]`, `"exports":[{"account_token_position":-1}]`, `"exports":[{"account_token_position":18446744073709551616}]`,
		`"exports":[{"service_latency":{"sampling":"header"}}]`, `"exports":[{"service_latency":{"sampling":1.5}}]`, `"exports":[{"revocations":{"*":"1"}}]`, `"exports":[{"response_threshold":"1s"}]`,
		`"imports":[{"type":"Stream"}]`, `"imports":[{"share":"yes"}]`, `"mappings":{"a":{}}`, `"mappings":{"a":[{"weight":256}]}`, `"mappings":{"a":[{"weight":-1}]}`, `"mappings":[]`,
		`"limits":[]`, `"limits":{"wildcards":1}`, `"limits":{"tiered_limits":{"R1":1}}`, `"limits":{"tiered_limits":[]}`, `"signing_keys":{}`, `"signing_keys":"A"`, `"signing_keys":[{}]`,
		`"signing_keys":[{"kind":"other_scope"}]`, `"signing_keys":[{"kind":"USER_SCOPE","key":"` + key + `"}]`, `"signing_keys":[{"kind":"user_scope","key":5}]`,
		`"signing_keys":[{"kind":"user_scope","template":[]}]`, `"signing_keys":[{"kind":"user_scope","template":{"subs":9223372036854775807}}]`,
		`"signing_keys":[{"kind":"user_scope","template":{"subs":1.5}}]`, `"signing_keys":[{"kind":"user_scope","template":{"src":5}}]`, `"trace":[]`, `"trace":{"sampling":"1"}`,
		`"authorization":{"auth_users":"*"}`, `"revocations":[]`, `"revocations":{"*":1.5}`, `"cluster_traffic":1`, `"default_permissions":[]`,
	} {
		add("wrong type in an account: "+nats, accountSigned(`{`+nats+`,"type":"account","version":2}`))
	}
	for _, version := range []string{"3", "9223372036854775807"} {
		add("version "+version, signed(`{"type":"user","version":`+version+`}`))
		add("generic of version "+version, signed(`{"type":"x","version":`+version+`}`))
	}
	for _, kind := range []string{"operator", "account", "user", "activation"} {
		add(kind+" without version", signed(`{"type":"`+kind+`"}`))
		add(kind+" of version 0", signed(`{"type":"`+kind+`","version":0}`))
		add(kind+" of version -1", signed(`{"type":"`+kind+`","version":-1}`))
		add(kind+" of version 1 by its body", signed(`{"type":"`+kind+`","version":1}`)) // and so signed without the header
	}
	add("cluster claims", signed(`{"type":"cluster","version":2}`))
	add("server claims", signed(`{"type":"server","version":2}`))
	add("generic claims of version 2", signed(`{"type":"my-type","version":2}`))
	add("no type at all", signed(`{"version":2}`))
	add("no nats at all", sign(header, fmt.Sprintf(`{"iss":%q,"sub":"x"}`, public(account)), account))
	add("type and version in capitals", signed(`{"type":"USER","version":2}`))

	// Version 1.
	v1Header := `{"typ":"jwt","alg":"ed25519"}`
	v1Token := func(kind string, signer nkeys.KeyPair) string {
		payload := b64(fmt.Sprintf(`{"iss":%q,"sub":%q,"type":%q,"nats":{}}`, public(signer), public(user), kind))
		return join(b64(v1Header), payload, base64.RawURLEncoding.EncodeToString(must(signer.Sign([]byte(payload)))))
	}
	v1Parts := strings.Split(v1Token("user", account), ".")
	add("version 1: signature of another token", join(v1Parts[0], v1Parts[1], part[2]))
	add("version 1: signed with the header", sign(v1Header, fmt.Sprintf(`{"iss":%q,"sub":%q,"type":"user","nats":{}}`, public(account), public(user)), account))
	add("version 1: cluster claims", v1Token("cluster", operator))
	add("version 1: server claims", v1Token("server", operator))
	add("version 1: user signed by an operator", v1Token("user", operator))
	add("version 1: account signed by a user", v1Token("account", user))
	add("version 1: operator signed by an account", v1Token("operator", account))
	c := v1.NewClusterClaims(s.public(nkeys.PrefixByteCluster))
	add("version 1: cluster claims of the library", must(c.Encode(operator)))

	// The signature.
	add("signature is not base64", join(part[0], part[1], "***"))
	add("padded signature", good+"==")
	add("short signature", good[:len(good)-2])
	add("long signature", good+"AA")
	add("signature of another token", join(part[0], part[1], other[2]))
	add("payload of another token", join(part[0], other[1], part[2]))
	add("header of another spelling", join(b64(`{"alg":"ed25519-nkey","typ":"JWT"}`), part[1], part[2]))
	add("newline in the header", join(part[0][:5]+"\n"+part[0][5:], part[1], part[2]))
	add("newline in the payload", join(part[0], part[1][:5]+"\n"+part[1][5:], part[2]))
	for i := range 3 {
		raw := must(base64.RawURLEncoding.DecodeString(part[2]))
		raw[i*31] ^= 1 << s.IntN(8)
		add(fmt.Sprintf("bit of the signature's byte %d", i*31), join(part[0], part[1], base64.RawURLEncoding.EncodeToString(raw)))
	}
	add("signature of zeros", join(part[0], part[1], strings.Repeat("A", 86)))
	add("signature's scalar is not reduced", join(part[0], part[1], unreduced(part[2])))
	for why, issuer := range map[string]string{"empty": "", "another account": s.public(nkeys.PrefixByteAccount), "lower case": strings.ToLower(public(account)),
		"a seed": seed(account), "cut short": public(account)[:55], "not a key": "A", "a curve key": s.public(nkeys.PrefixByteCurve),
		"a point of small order": string(must(nkeys.Encode(nkeys.PrefixByteAccount, append([]byte{1}, make([]byte, 31)...))))} {
		add("issuer is "+why, sign(header, strings.Replace(plain, public(account), issuer, 1), account))
	}
	add("no issuer", sign(header, strings.Replace(plain, fmt.Sprintf(`"iss":%q,`, public(account)), "", 1), account))

	// The types that may sign.
	signers := map[string]nkeys.KeyPair{"an operator": operator, "an account": account, "a user": user, "a server": server, "a cluster": s.key(nkeys.PrefixByteCluster)}
	allowed := map[string]string{"operator": "an operator", "account": "an operator, an account", "user": "an account", "activation": "an operator, an account",
		"authorization_request": "a server", "authorization_response": "an account"}
	for kind, by := range allowed {
		for name, signer := range signers {
			if !strings.Contains(by, name) {
				add(kind+" signed by "+name, sign(header, body(public(user), signer, fmt.Sprintf(`{"type":%q,"version":2}`, kind)), signer))
			}
		}
	}
	sortBy(list, "why")
	return list
}

// unreduced adds the group's order to the scalar of a signature: the same
// equation holds, and a verifier has to refuse it all the same.
func unreduced(signature string) string {
	raw := must(base64.RawURLEncoding.DecodeString(signature))
	order := []byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10}
	carry := 0
	for i, b := range order {
		carry += int(raw[32+i]) + int(b)
		raw[32+i] = byte(carry)
		carry >>= 8
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func sortBy(list []object, key string) {
	sort.SliceStable(list, func(a, b int) bool { return list[a][key].(string) < list[b][key].(string) })
}
