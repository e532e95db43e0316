// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	v1 "github.com/nats-io/jwt/v2/v1compat"
	"github.com/nats-io/nkeys"
)

type issue struct {
	Blocking    bool   `json:"blocking"`
	TimeCheck   bool   `json:"time_check"`
	Description string `json:"description"`
}

type record struct {
	Name       string          `json:"name"`
	Kind       string          `json:"kind"`
	SignerSeed string          `json:"signer_seed"`
	Payload    json.RawMessage `json:"payload"`
	Token      string          `json:"token"`
	Issues     []issue         `json:"issues"`
}

func newRecord(name, kind string, signer nkeys.KeyPair, token string) record {
	r := record{name, kind, seed(signer), nil, token, []issue{}}
	r.Payload = must(base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1]))
	vr := jwt.CreateValidationResults()
	decode(kind, token).Validate(vr)
	for _, i := range vr.Issues {
		r.Issues = append(r.Issues, issue{i.Blocking, i.TimeCheck, i.Description})
	}
	// The library walks maps, so its order is not the same in two runs.
	sort.SliceStable(r.Issues, func(a, b int) bool { return r.Issues[a].Description < r.Issues[b].Description })
	return r
}

func decode(kind, token string) jwt.Claims {
	if kind == jwt.GenericClaim {
		// Decode takes every generic token for one of version 1 and refuses its signature.
		return must(jwt.DecodeGeneric(token))
	}
	return must(jwt.Decode(token))
}

func (s *source) record(i int) record {
	kind := pick(s, "operator", "operator", "account", "account", "account", "account", "account", "account", "account", "account",
		"user", "user", "user", "user", "user", "activation", "activation",
		"authorization_request", "authorization_response", "generic")
	claims, signer := s.claims(kind)
	return newRecord(fmt.Sprintf("%s-%04d", kind, i), kind, signer, must(claims.Encode(signer)))
}

func (s *source) claims(kind string) (jwt.Claims, nkeys.KeyPair) {
	switch kind {
	case "operator":
		return s.operator()
	case "account":
		return s.account()
	case "user":
		return s.user()
	case "activation":
		return s.activation()
	case "authorization_request":
		return s.authorizationRequest()
	case "authorization_response":
		return s.authorizationResponse()
	default:
		return s.generic()
	}
}

func (s *source) common(c *jwt.ClaimsData) {
	s.field("common.Name")
	c.Name = s.maybeText()
	s.field("common.Audience")
	if s.chance(15) {
		c.Audience = pick(s, "NATS", s.text(), s.public(nkeys.PrefixByteServer))
	}
	s.field("common.Expires")
	if s.chance(35) {
		c.Expires = s.instant()
	}
	s.field("common.NotBefore")
	if s.chance(25) {
		c.NotBefore = s.instant()
	}
}

func (s *source) operator() (jwt.Claims, nkeys.KeyPair) {
	signer := s.key(nkeys.PrefixByteOperator)
	c := jwt.NewOperatorClaims(public(signer))
	s.field("operator.SigningKeys")
	if s.chance(20) {
		signer = s.key(nkeys.PrefixByteOperator)
		c.SigningKeys.Add(public(signer))
	}
	s.common(&c.ClaimsData)
	s.field("operator.SigningKeys")
	c.SigningKeys.Add(some(s, 4, func() string { return s.keyOf(nkeys.PrefixByteOperator, 10) })...)
	s.field("operator.AccountServerURL")
	if s.chance(50) {
		c.AccountServerURL = pick(s, parseableURLs...)
	}
	s.field("operator.OperatorServiceURLs")
	c.OperatorServiceURLs = some(s, 5, s.serviceURL)
	s.field("operator.SystemAccount")
	if s.chance(40) {
		c.SystemAccount = s.keyOf(nkeys.PrefixByteAccount, 15)
	}
	s.field("operator.AssertServerVersion")
	if s.chance(60) {
		c.AssertServerVersion = pick(s, versions...)
	}
	s.field("operator.StrictSigningKeyUsage")
	c.StrictSigningKeyUsage = s.chance(30)
	s.field("operator.Tags")
	c.Tags = s.tags()
	return c, signer
}

func (s *source) serviceURL() string {
	if s.chance(50) {
		return pick(s, "nats://h.example:4222", "tls://a.example:4443", "ws://h:80", "wss://[::1]:443", "NATS://h", "tls://h?x=1")
	}
	return s.url()
}

func (s *source) account() (jwt.Claims, nkeys.KeyPair) {
	own := s.key(nkeys.PrefixByteAccount)
	signer := s.key(nkeys.PrefixByteOperator)
	if s.chance(15) {
		signer = own
	}
	if s.chance(4) {
		signer = s.key(nkeys.PrefixByteAccount)
	}
	c := jwt.NewAccountClaims(public(own))
	s.common(&c.ClaimsData)
	s.field("account.Imports")
	if s.chance(40) {
		c.Imports = some(s, 6, func() *jwt.Import { return s.importOf(public(own), s.key(nkeys.PrefixByteAccount)) })
		if s.chance(30) {
			c.Imports = s.overlappingImports(public(own))
		}
	}
	s.field("account.Exports")
	if s.chance(40) {
		c.Exports = some(s, 6, s.export)
	}
	s.field("account.Limits")
	c.Limits = s.operatorLimits(c.Limits)
	s.field("account.SigningKeys")
	if s.chance(45) {
		c.SigningKeys.Add(some(s, 3, func() string { return s.keyOf(nkeys.PrefixByteAccount, 8) })...)
		for _, scope := range some(s, 4, s.scope) {
			c.SigningKeys.AddScopedSigner(scope)
		}
	}
	s.field("account.Revocations")
	if s.chance(25) {
		c.Revocations = s.revocations(nkeys.PrefixByteUser)
	}
	s.field("account.DefaultPermissions")
	if s.chance(25) {
		c.DefaultPermissions = s.permissions(s.number)
	}
	if s.chance(30) {
		s.mappings(c.Mappings)
	}
	s.field("account.Authorization")
	if s.chance(15) {
		c.Authorization.AuthUsers = some(s, 4, func() string { return s.keyOf(nkeys.PrefixByteUser, 10) })
		c.Authorization.AllowedAccounts = some(s, 4, func() string {
			if s.chance(25) {
				return "*"
			}
			return s.keyOf(nkeys.PrefixByteAccount, 10)
		})
		if s.chance(50) {
			c.Authorization.XKey = s.keyOf(nkeys.PrefixByteCurve, 25)
		}
	}
	s.field("account.Trace")
	if s.chance(15) {
		c.Trace = &jwt.MsgTrace{Destination: jwt.Subject(s.subject()), Sampling: pick(s, 0, 1, 50, 100, 101, -1, s.IntN(100), math.MaxInt64, math.MinInt64)}
	}
	s.field("account.ClusterTraffic")
	if s.chance(20) {
		c.ClusterTraffic = pick(s, jwt.ClusterTraffic("system"), "owner", "owner", "System", "nonsense", " ", "q\"<&>\u2028")
	}
	s.field("account.Info")
	c.Info = s.info()
	s.field("account.Tags")
	c.Tags = s.tags()
	return c, signer
}

func (s *source) operatorLimits(l jwt.OperatorLimits) jwt.OperatorLimits {
	s.field("operatorLimits.NatsLimits")
	switch s.IntN(6) {
	case 0, 1, 2: // stay unlimited
	case 3:
		l = jwt.OperatorLimits{}
	default:
		l.NatsLimits = jwt.NatsLimits{Subs: s.number(), Data: s.number(), Payload: s.number()}
		l.AccountLimits = jwt.AccountLimits{Imports: s.count(), Exports: s.count(), WildcardExports: s.chance(50),
			DisallowBearer: s.chance(40), Conn: s.number(), LeafNodeConn: s.number()}
	}
	s.field("operatorLimits.JetStreamLimits")
	if s.chance(25) {
		l.JetStreamLimits = s.jetStreamLimits()
	}
	s.field("operatorLimits.JetStreamTieredLimits")
	if s.chance(20) {
		l.JetStreamTieredLimits = jwt.JetStreamTieredLimits{}
		for _, tier := range some(s, 4, func() string { return pick(s, "R1", "R3", "R5", "", " ", s.text()) }) {
			l.JetStreamTieredLimits[tier] = s.jetStreamLimits()
		}
	}
	return l
}

// count is a limit near the number of imports and exports that are drawn.
func (s *source) count() int64 {
	return pick(s, -1, 0, 1, 2, 3, s.number())
}

func (s *source) jetStreamLimits() jwt.JetStreamLimits {
	if s.chance(10) {
		return jwt.JetStreamLimits{}
	}
	return jwt.JetStreamLimits{MemoryStorage: s.number(), DiskStorage: s.number(), Streams: s.number(), Consumer: s.number(),
		MaxAckPending: s.number(), MemoryMaxStreamBytes: s.number(), DiskMaxStreamBytes: s.number(), MaxBytesRequired: s.chance(30)}
}

func (s *source) mappings(m jwt.Mapping) {
	s.field("mappings.Weight")
	for _, from := range some(s, 4, s.subject) {
		m[jwt.Subject(from)] = some(s, 5, func() jwt.WeightedMapping {
			w := jwt.WeightedMapping{Subject: jwt.Subject(s.mapped(from))}
			w.Weight = pick(s, 0, 1, 10, 25, 33, 50, 50, 100, 101, 255, uint8(s.IntN(256)))
			if s.chance(40) {
				w.Cluster = pick(s, "c1", "c1", "c2", "c2", s.text())
			}
			return w
		})
	}
}

func (s *source) revocations(prefix nkeys.PrefixByte) jwt.RevocationList {
	list := jwt.RevocationList{}
	for _, key := range some(s, 6, func() string { return s.keyOf(prefix, 5) }) {
		list[key] = pick(s, 1.6e9+s.Int64N(1e8), 1.6e9+s.Int64N(1e8), s.number())
	}
	if s.chance(25) {
		list[jwt.All] = 1.6e9 + s.Int64N(1e8)
	}
	return list
}

func (s *source) export() *jwt.Export {
	e := &jwt.Export{Name: s.maybeText(), Subject: jwt.Subject(s.subject()), Type: pick(s, jwt.Stream, jwt.Service, jwt.Service)}
	s.field("export.Type")
	if s.chance(3) {
		e.Type = jwt.Unknown
	}
	s.field("export.TokenReq")
	e.TokenReq = s.chance(30)
	s.field("export.Revocations")
	if s.chance(25) {
		e.Revocations = s.revocations(nkeys.PrefixByteAccount)
	}
	if e.Type == jwt.Service || s.chance(8) {
		e.ResponseType = pick(s, jwt.ResponseType(""), "", jwt.ResponseTypeSingleton, jwt.ResponseTypeStream, jwt.ResponseTypeChunked)
		if s.chance(4) {
			e.ResponseType = pick(s, jwt.ResponseType("singleton"), "Other", "q\"<&>")
		}
		if s.chance(25) {
			e.ResponseThreshold = pick(s, time.Second, 1500*time.Millisecond, 1, -1, time.Duration(s.number()))
		}
		if s.chance(30) {
			e.Latency = &jwt.ServiceLatency{Sampling: jwt.SamplingRate(pick(s, 0, 0, 1, 100, s.IntN(101))), Results: jwt.Subject(s.subject())}
		}
		e.AllowTrace = s.chance(30)
	}
	s.field("export.AllowTrace")
	if s.chance(3) {
		e.AllowTrace = true
	}
	s.field("export.AccountTokenPosition")
	if s.chance(30) {
		e.AccountTokenPosition = pick(s, 1, 1, 2, 2, 3, 4, 9, math.MaxUint64, uint(maxExact))
		tokens := strings.Split(string(e.Subject), ".")
		for i, token := range tokens {
			if token == "*" && s.chance(60) {
				e.AccountTokenPosition = uint(i + 1)
			}
		}
	}
	s.field("export.Advertise")
	e.Advertise = s.chance(30)
	s.field("export.Info")
	e.Info = s.info()
	return e
}

// overlappingImports come from one account, or two, and now and then meet.
func (s *source) overlappingImports(importer string) []*jwt.Import {
	exporters := []nkeys.KeyPair{s.key(nkeys.PrefixByteAccount), s.key(nkeys.PrefixByteAccount)}
	return some(s, 7, func() *jwt.Import {
		i := s.importOf(importer, pick(s, exporters[0], exporters[0], exporters[1]))
		i.Type = pick(s, jwt.Service, jwt.Service, jwt.Service, jwt.Stream)
		i.Subject = pick(s, jwt.Subject("a"), "b", "a.b", "a.*", "a.>", "*.b", "b.*.c", "c.d", "c.d", ">", "q\"<&>", "")
		if i.LocalSubject != "" {
			i.LocalSubject = pick(s, jwt.RenamingSubject("a"), "c", "$1.b", "a.$1", "a.*", "b.$1.c", "$1", "$1x", "local", "a.>", ".", "")
		}
		if i.To != "" {
			i.To = pick(s, jwt.Subject("a"), "b", "a.b", "a.$1", "to.>", ".a")
		}
		return i
	})
}

func (s *source) importOf(importer string, exporter nkeys.KeyPair) *jwt.Import {
	i := &jwt.Import{Name: s.maybeText(), Subject: jwt.Subject(s.subject()), Account: public(exporter), Type: pick(s, jwt.Stream, jwt.Service)}
	s.field("importOf.Type")
	if s.chance(2) {
		i.Type = jwt.Unknown
	}
	s.field("importOf.Account")
	if s.chance(3) {
		i.Account = pick(s, "A", "not a key", "q\"<&>")
	}
	s.field("importOf.Subject")
	if s.chance(3) {
		i.Subject = ""
	}
	s.field("importOf.Account")
	if s.chance(4) {
		i.Account = ""
	}
	s.field("importOf.To")
	if s.chance(15) {
		i.To = jwt.Subject(s.mapped(string(i.Subject)))
	}
	s.field("importOf.To")
	if s.chance(40) && (i.To == "" || s.chance(20)) {
		i.LocalSubject = jwt.RenamingSubject(s.mapped(string(i.Subject)))
	}
	s.field("importOf.Share")
	i.Share = s.chance(20)
	s.field("importOf.AllowTrace")
	i.AllowTrace = s.chance(20)
	s.field("importOf.Token")
	if s.chance(35) {
		i.Token = s.activationFor(i, exporter, importer)
	}
	return i
}

// activationFor returns a token that fits the import, or does not in one way.
func (s *source) activationFor(i *jwt.Import, exporter nkeys.KeyPair, importer string) string {
	act := jwt.NewActivationClaims(importer)
	s.field("activationFor.Name")
	act.Name = s.maybeText()
	act.ImportSubject, act.ImportType = i.Subject, i.Type
	if i.IsService() && i.To != "" {
		act.ImportSubject = i.To
	}
	signer := exporter
	s.field("activationFor.IssuerAccount")
	switch s.IntN(16) {
	case 0: // by a signing key
		signer = s.key(nkeys.PrefixByteAccount)
		act.IssuerAccount = i.Account
	case 1: // by another account
		signer = s.key(nkeys.PrefixByteAccount)
	case 2: // for another account
		act.Subject = s.public(nkeys.PrefixByteAccount)
	case 3: // of the other type
		act.ImportType = jwt.Stream + jwt.Service - act.ImportType
	case 4: // of no type
		act.ImportType = jwt.Unknown
	case 5: // for another subject
		act.ImportSubject = jwt.Subject(s.subject())
	case 6: // for a wider subject
		act.ImportSubject = pick(s, jwt.Subject(">"), "*", "*.*", "*.>", "*.*.*")
	case 7: // for no subject
		act.ImportSubject = ""
	case 8: // out of its time, which is not looked at
		act.Expires, act.NotBefore = 1e9, 7e9
	case 9: // not a token
		return pick(s, "token", "a.b.c", "https://h.example/token", " ", "..", "q\"<&>")
	case 10: // not an activation
		user := jwt.NewUserClaims(s.public(nkeys.PrefixByteUser))
		return must(user.Encode(exporter))
	case 11: // tampered with
		token := must(act.Encode(signer))
		return pick(s, token[:len(token)-4]+"AAAA", token+" ", token[:len(token)-1], strings.ToLower(token), token+".x")
	case 12: // of version 1
		old := v1.NewActivationClaims(importer)
		old.ImportSubject, old.ImportType = v1.Subject(act.ImportSubject), pick(s, v1.ExportType(act.ImportType), v1.Stream)
		if s.chance(30) {
			signer, old.IssuerAccount = s.key(nkeys.PrefixByteAccount), i.Account
		}
		return must(old.Encode(signer))
	case 13: // on behalf of something that is not an account
		act.IssuerAccount = s.keyOf(nkeys.PrefixByteUser, 50)
	case 14: // by an operator
		signer = s.key(nkeys.PrefixByteOperator)
	}
	if act.ImportType > jwt.Service {
		act.ImportType = jwt.Stream
	}
	s.field("activationFor.Tags")
	act.Tags = s.tags()
	return must(act.Encode(signer))
}

func (s *source) permission(queues bool) jwt.Permission {
	list := func() []string {
		return some(s, 5, func() string {
			subject := s.subject()
			if s.chance(8) || (queues && s.chance(20)) {
				subject += pick(s, " queue", " q.*", " ", "  q", " .q", " q r", " q..r", "\tq")
			}
			return subject
		})
	}
	return jwt.Permission{Allow: list(), Deny: list()}
}

func (s *source) permissions(number func() int64) jwt.Permissions {
	p := jwt.Permissions{Pub: s.permission(false), Sub: s.permission(true)}
	s.field("permissions.Resp")
	if s.chance(30) {
		p.Resp = &jwt.ResponsePermission{MaxMsgs: int(pick(s, 1, 5, 0, -1, number())), Expires: time.Duration(pick(s, 1e9, 0, -1, number()))}
	}
	return p
}

func (s *source) userLimits() jwt.UserLimits {
	var l jwt.UserLimits
	s.field("userLimits.Src")
	if s.chance(35) {
		l.Src = some(s, 4, func() string { return pick(s, pick(s, cidrs[:9]...), pick(s, cidrs...)) })
	}
	s.field("userLimits.Times")
	if s.chance(30) {
		l.Times = some(s, 3, func() jwt.TimeRange {
			clock := func() string { return pick(s, pick(s, clocks[:4]...), pick(s, clocks...)) }
			return jwt.TimeRange{Start: clock(), End: clock()}
		})
	}
	s.field("userLimits.Locale")
	if s.chance(30) {
		l.Locale = pick(s, zones...)
	}
	return l
}

func (s *source) permissionLimits(number func() int64) jwt.UserPermissionLimits {
	l := jwt.UserPermissionLimits{Permissions: s.permissions(number)}
	s.field("permissionLimits.UserLimits")
	l.UserLimits = s.userLimits()
	l.NatsLimits = jwt.NatsLimits{Subs: jwt.NoLimit, Data: jwt.NoLimit, Payload: jwt.NoLimit}
	s.field("permissionLimits.NatsLimits")
	if s.chance(50) {
		l.NatsLimits = jwt.NatsLimits{Subs: number(), Data: number(), Payload: number()}
	}
	s.field("permissionLimits.BearerToken")
	l.BearerToken = s.chance(20)
	s.field("permissionLimits.ProxyRequired")
	l.ProxyRequired = s.chance(20)
	s.field("permissionLimits.AllowedConnectionTypes")
	if s.chance(30) {
		l.AllowedConnectionTypes = some(s, 5, func() string {
			return pick(s, jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket, jwt.ConnectionTypeLeafnode, jwt.ConnectionTypeLeafnodeWS,
				jwt.ConnectionTypeMqtt, jwt.ConnectionTypeMqttWS, jwt.ConnectionTypeInProcess, "standard", "OTHER", "")
		})
	}
	return l
}

func (s *source) scope() jwt.Scope {
	scope := jwt.NewUserScope()
	s.field("scope.Key")
	scope.Key = s.keyOf(nkeys.PrefixByteAccount, 8)
	s.field("scope.Role")
	scope.Role = s.maybeText()
	s.field("scope.Description")
	scope.Description = s.maybeText()
	s.field("scope.Template")
	if s.chance(85) {
		scope.Template = s.permissionLimits(s.exact)
	}
	return scope
}

func (s *source) user() (jwt.Claims, nkeys.KeyPair) {
	c := jwt.NewUserClaims(s.public(nkeys.PrefixByteUser))
	s.common(&c.ClaimsData)
	if s.chance(15) {
		c.SetScoped(true)
	} else {
		c.UserPermissionLimits = s.permissionLimits(s.number)
	}
	s.field("user.IssuerAccount")
	if s.chance(50) {
		c.IssuerAccount = s.keyOf(nkeys.PrefixByteAccount, 10)
	}
	s.field("user.Tags")
	c.Tags = s.tags()
	return c, s.key(nkeys.PrefixByteAccount)
}

func (s *source) activation() (jwt.Claims, nkeys.KeyPair) {
	c := jwt.NewActivationClaims(s.public(nkeys.PrefixByteAccount))
	s.common(&c.ClaimsData)
	s.field("activation.ImportSubject")
	c.ImportSubject = jwt.Subject(s.subject())
	c.ImportType = pick(s, jwt.Stream, jwt.Service)
	s.field("activation.ImportType")
	if s.chance(6) {
		c.ImportType = jwt.Unknown
	}
	s.field("activation.IssuerAccount")
	if s.chance(50) {
		c.IssuerAccount = s.keyOf(nkeys.PrefixByteAccount, 12)
	}
	s.field("activation.Tags")
	c.Tags = s.tags()
	return c, s.key(pick(s, nkeys.PrefixByteAccount, nkeys.PrefixByteAccount, nkeys.PrefixByteOperator))
}

func (s *source) authorizationRequest() (jwt.Claims, nkeys.KeyPair) {
	c := jwt.NewAuthorizationRequestClaims(pick(s, s.public(nkeys.PrefixByteUser), s.text()))
	s.common(&c.ClaimsData)
	if !s.chance(8) {
		c.UserNkey = s.keyOf(nkeys.PrefixByteUser, 12)
	}
	s.field("authorizationRequest.Server")
	c.Server = jwt.ServerID{Name: s.maybeText(), Host: pick(s, "", "127.0.0.1", "::1", s.text()), ID: s.keyOf(nkeys.PrefixByteServer, 20),
		Version: pick(s, versions...), Cluster: s.maybeText(), Tags: s.tags()}
	s.field("authorizationRequest.Server")
	if s.chance(40) {
		c.Server.XKey = s.keyOf(nkeys.PrefixByteCurve, 10)
	}
	s.field("authorizationRequest.ClientInformation")
	if s.chance(80) {
		c.ClientInformation = jwt.ClientInformation{Host: pick(s, "127.0.0.1", "::1", s.text()), ID: pick(s, 0, 1, s.Uint64(), math.MaxUint64, maxExact+2),
			User: s.maybeText(), Name: s.maybeText(), Tags: s.tags(), NameTag: s.maybeText(), Kind: pick(s, "", "Client", "Leafnode"),
			Type: pick(s, "", "nats", "mqtt", "websocket"), MQTT: s.maybeText(), Nonce: pick(s, "", base64.RawURLEncoding.EncodeToString(s.raw()[:11]))}
	}
	s.field("authorizationRequest.ConnectOptions")
	if s.chance(80) {
		user := jwt.NewUserClaims(s.public(nkeys.PrefixByteUser))
		c.ConnectOptions = jwt.ConnectOptions{JWT: pick(s, "", must(user.Encode(s.key(nkeys.PrefixByteAccount)))), Nkey: pick(s, "", s.public(nkeys.PrefixByteUser)),
			SignedNonce: pick(s, "", base64.RawURLEncoding.EncodeToString(append(s.raw(), s.raw()...))), Token: s.maybeText(), Username: s.maybeText(),
			Password: s.maybeText(), Name: s.maybeText(), Lang: pick(s, "", "go", "python3"), Version: pick(s, versions...), Protocol: int(pick(s, 0, 1, s.number()))}
	}
	s.field("authorizationRequest.TLS")
	if s.chance(40) {
		pem := func() string {
			return "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(s.raw()) + "\n-----END CERTIFICATE-----\n"
		}
		c.TLS = &jwt.ClientTLS{Version: pick(s, "", "1.2", "1.3"), Cipher: pick(s, "", "TLS_AES_128_GCM_SHA256"), Certs: some(s, 3, pem),
			VerifiedChains: some(s, 3, func() jwt.StringList { return some(s, 3, pem) })}
	}
	s.field("authorizationRequest.RequestNonce")
	c.RequestNonce = s.maybeText()
	s.field("authorizationRequest.Tags")
	c.Tags = s.tags()
	return c, s.key(nkeys.PrefixByteServer)
}

func (s *source) authorizationResponse() (jwt.Claims, nkeys.KeyPair) {
	c := jwt.NewAuthorizationResponseClaims(s.keyOf(nkeys.PrefixByteUser, 15))
	s.common(&c.ClaimsData)
	s.field("authorizationResponse.Audience")
	if s.chance(80) {
		c.Audience = s.keyOf(nkeys.PrefixByteServer, 15)
	}
	s.field("authorizationResponse.Jwt")
	if s.chance(60) {
		user := jwt.NewUserClaims(s.public(nkeys.PrefixByteUser))
		c.Jwt = pick(s, must(user.Encode(s.key(nkeys.PrefixByteAccount))), s.text())
	}
	s.field("authorizationResponse.Error")
	if s.chance(40) {
		c.Error = s.text()
	}
	s.field("authorizationResponse.IssuerAccount")
	if s.chance(50) {
		c.IssuerAccount = s.keyOf(nkeys.PrefixByteAccount, 15)
	}
	s.field("authorizationResponse.Tags")
	c.Tags = s.tags()
	return c, s.key(nkeys.PrefixByteAccount)
}

func (s *source) generic() (jwt.Claims, nkeys.KeyPair) {
	c := jwt.NewGenericClaims(pick(s, s.public(pick(s, publicPrefixes...)), s.text()))
	s.common(&c.ClaimsData)
	for range s.IntN(6) {
		c.Data[s.text()] = s.value(3)
	}
	if s.chance(70) {
		c.Data["type"] = pick(s, "generic", "my-type", "x<&>", "")
	}
	if s.chance(30) {
		c.Data["tags"] = []string(s.tags())
	}
	prefix := publicPrefixes[s.IntN(5)] // a curve key does not sign
	return c, s.key(prefix)
}

func (s *source) value(depth int) any {
	switch n := s.IntN(9); {
	case n == 0:
		return nil
	case n == 1:
		return s.chance(50)
	case n == 2:
		return s.exact()
	case n == 3:
		return pick(s, 0.5, -0.25, 1e-7, 1e21, 1.5e300, 5e-324, 123456789.125, 1e20, 0.000001, -3)
	case n == 4 && depth > 0:
		m := map[string]any{}
		for range s.IntN(4) {
			m[s.text()] = s.value(depth - 1)
		}
		return m
	case n == 5 && depth > 0:
		list := []any{}
		for range s.IntN(4) {
			list = append(list, s.value(depth-1))
		}
		return list
	default:
		return s.text()
	}
}
