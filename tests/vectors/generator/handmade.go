// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nkeys"
)

const header = `{"typ":"JWT","alg":"ed25519-nkey"}`

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func sign(header, payload string, signer nkeys.KeyPair) string {
	text := b64(header) + "." + b64(payload)
	return text + "." + base64.RawURLEncoding.EncodeToString(must(signer.Sign([]byte(text))))
}

// body returns a payload with the parts of nats given as JSON.
func body(subject string, signer nkeys.KeyPair, nats string) string {
	return fmt.Sprintf(`{"jti":"X","iat":1700000000,"iss":%q,"name":"n","sub":%q,"nats":%s}`, public(signer), subject, nats)
}

// handmadeRecords are tokens that the library reads and would not write: what
// other writers, older or careless, may have left behind.
func (s *source) handmadeRecords() []record {
	operator, account, user, server := s.key(nkeys.PrefixByteOperator), s.key(nkeys.PrefixByteAccount), s.key(nkeys.PrefixByteUser), s.key(nkeys.PrefixByteServer)
	scope := fmt.Sprintf(`{"kind":"user_scope","key":%q`, s.public(nkeys.PrefixByteAccount))
	limits := `"limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1}`
	cases := []struct {
		kind, name    string
		subject, sign nkeys.KeyPair
		parts         []string
	}{
		{"operator", "account-server-url", operator, operator, []string{
			`"account_server_url":"h.example"`, `"account_server_url":"://"`, `"account_server_url":"https://h:port"`, `"account_server_url":"/path"`,
			`"account_server_url":"https://%zz"`, `"account_server_url":" https://h"`, `"account_server_url":"https://[::1"`, `"account_server_url":"1a:b"`}},
		{"operator", "null", operator, operator, []string{
			`"signing_keys":null,"operator_service_urls":[],"system_account":null,"tags":null`, `"strict_signing_key_usage":false,"unknown":{"a":[1]}`}},
		{"account", "null", account, operator, []string{
			limits + `,"exports":[null]`, limits + `,"imports":[null]`, limits + `,"exports":[null,{"subject":"a","type":"stream"},null]`,
			limits + `,"trace":null,"mappings":null,"signing_keys":null,"revocations":null`, limits + `,"mappings":{"a":null,"b":[]}`, ``}},
		{"account", "limits", account, operator, []string{
			`"limits":{}`, `"limits":null`, `"limits":{"imports":0,"exports":0},"imports":[],"exports":[]`,
			`"limits":{"mem_storage":1,"tiered_limits":{"R1":{"mem_storage":2}}}`, `"limits":{"mem_storage":1,"tiered_limits":{}}`,
			`"limits":{"tiered_limits":{"":{}}}`, `"limits":{"unknown":1,"conn":-9223372036854775808}`}},
		{"account", "export", account, operator, []string{
			limits + `,"exports":[{"subject":"a","type":"service","service_latency":{"sampling":101,"results":"b"}}]`,
			limits + `,"exports":[{"subject":"a","type":"service","service_latency":{"sampling":-1,"results":"b"}}]`,
			limits + `,"exports":[{"subject":"a","type":"service","service_latency":{"sampling":0,"results":"b"}}]`,
			limits + `,"exports":[{"subject":"a","type":"service","service_latency":{"sampling":"HEADERS","results":"b"}}]`,
			limits + `,"exports":[{"subject":"a","type":"service","service_latency":{}}]`,
			limits + `,"exports":[{"subject":"b","type":"stream"},{"subject":"a","type":"stream"}]`,
			limits + `,"exports":[{}]`, limits + `,"exports":[{"subject":"a","type":"service","service_latency":null,"revocations":{}}]`}},
		{"account", "import", account, operator, []string{limits + `,"imports":[{}]`, limits + `,"imports":[{"local_subject":"a","type":"service"}]`, limits + `,"imports":[{"subject":"b","type":"stream"},{"subject":"a","type":"stream"}]`}},
		{"account", "scope", account, operator, []string{
			limits + `,"signing_keys":[` + scope + `}]`, limits + `,"signing_keys":[` + scope + `,"template":{"subs":0,"data":0}}]`,
			limits + `,"signing_keys":[{"kind":"user_scope"}]`, limits + `,"signing_keys":[1,null,true,["A"],"A"]`, limits + `,"signing_keys":["B","A","A"]`,
			limits + `,"signing_keys":[` + scope + `,"template":null,"role":null}]`, limits + `,"signing_keys":[` + scope + `,"template":{"src":"10.0.0.0/8, 11.0.0.0/8"}}]`}},
		{"account", "trace", account, operator, []string{limits + `,"trace":{}`, limits + `,"trace":{"dest":"a","sampling":0}`}},
		{"user", "src", user, account, []string{
			`"src":"10.0.0.0/8,192.168.0.0/16"`, `"src":"2001:DB8::/32, bad ,,2001:db8::/32"`, `"src":""`, `"src":[]`, `"src":null`, `"src":["10.0.0.0/8","10.0.0.0/8"]`}},
		{"user", "absent", user, account, []string{``, `"pub":{"allow":null,"deny":[]},"sub":null`, `"resp":{}`, `"resp":null`, `"times":[{}]`, `"unknown":1,"subs":0`}},
		{"activation", "absent", account, account, []string{``, `"subject":"a"`, `"kind":"stream"`, `"subject":"a","kind":"stream","issuer_account":""`}},
		{"authorization_request", "absent", user, server, []string{``, `"server_id":{},"client_info":null,"client_tls":{}`, `"user_nkey":null`}},
		{"authorization_response", "absent", user, account, []string{``, `"jwt":""`, `"error":null`}},
		{"generic", "absent", account, user, []string{``, `"a":1.0,"b":1E3`}},
	}
	var records []record
	for _, c := range cases {
		for _, part := range c.parts {
			if part != "" {
				part += ","
			}
			nats := fmt.Sprintf(`{%s"type":%q,"version":2}`, part, c.kind)
			token := sign(header, body(public(c.subject), c.sign, nats), c.sign)
			records = append(records, newRecord(fmt.Sprintf("%s-%s-%04d", c.kind, c.name, len(records)), c.kind, c.sign, token))
		}
	}

	// The same claims with an odd envelope.
	plain := body(public(user), account, `{"pub":{},"sub":{},"type":"user","version":2}`)
	token := sign(header, plain, account)
	last := strings.IndexByte(alphabet, token[len(token)-1])
	newline := strings.LastIndexByte(token, '.') + 9
	for _, odd := range []string{
		sign(`{"typ":"jwt","alg":"ed25519-nkey"}`, plain, account), sign(`{"typ":"JWT","alg":"ED25519-NKEY"}`, plain, account),
		sign(`{"alg":"ed25519-nkey","typ":"JWT","kid":"x"}`, plain, account), sign(`{"TYP":"JWT","Alg":"ed25519-nkey"}`, plain, account),
		sign(`{"typ":"JWT","alg":"ed25519"}`, plain, account), // the version in the payload decides what is signed
		sign(header, " "+strings.ReplaceAll(plain, ",", ",\n ")+" ", account),
		sign(header, strings.Replace(plain, `"name":"n"`, `"name":"\u006e\/\ud83d\ude00\u003c"`, 1), account),
		sign(header, strings.Replace(plain, `"sub":{}`, `"sub":{"allow":["a.>"]}`, 1), account),
		token + "\n", token[:newline] + "\r\n" + token[newline:],
		token[:len(token)-1] + string(alphabet[last|1]), // unused bits of the signature's last character
	} {
		records = append(records, newRecord(fmt.Sprintf("user-envelope-%04d", len(records)), "user", account, odd))
	}
	for i := range records {
		if !json.Valid(records[i].Payload) {
			check(fmt.Errorf("%s: payload is not JSON", records[i].Name))
		}
	}
	return records
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
