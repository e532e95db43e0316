// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// source draws random values, good and bad, that stay the same for a seed.
type source struct {
	*rand.Rand
	bytes *rand.ChaCha8
	base  [32]byte
	drawn map[string]uint64
}

func newSource(seed, stream uint64) *source {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], stream)
	c := rand.NewChaCha8(key)
	return &source{rand.New(c), c, key, map[string]uint64{}}
}

// field begins the stream of a field, a new one each time, so that one more
// field does not change what is drawn for those after it.
func (s *source) field(name string) {
	data := binary.LittleEndian.AppendUint64(append(s.base[:], name...), s.drawn[name])
	s.drawn[name]++
	s.bytes = rand.NewChaCha8(sha256.Sum256(data))
	s.Rand = rand.New(s.bytes)
}

func (s *source) chance(percent int) bool { return s.IntN(100) < percent }

func pick[T any](s *source, values ...T) T { return values[s.IntN(len(values))] }

// some returns between 0 and limit values, more often few than many.
func some[T any](s *source, limit int, draw func() T) []T {
	var values []T
	for range s.IntN(s.IntN(limit+1) + 1) {
		values = append(values, draw())
	}
	return values
}

func (s *source) raw() []byte {
	raw := make([]byte, 32)
	_, _ = s.bytes.Read(raw)
	return raw
}

func (s *source) key(prefix nkeys.PrefixByte) nkeys.KeyPair {
	if prefix == nkeys.PrefixByteCurve {
		return must(nkeys.CreateCurveKeysWithRand(s.bytes))
	}
	return must(nkeys.FromRawSeed(prefix, s.raw()))
}

func (s *source) public(prefix nkeys.PrefixByte) string { return public(s.key(prefix)) }

func public(kp nkeys.KeyPair) string { return must(kp.PublicKey()) }

func seed(kp nkeys.KeyPair) string { return string(must(kp.Seed())) }

var publicPrefixes = []nkeys.PrefixByte{
	nkeys.PrefixByteOperator, nkeys.PrefixByteAccount, nkeys.PrefixByteUser,
	nkeys.PrefixByteServer, nkeys.PrefixByteCluster, nkeys.PrefixByteCurve,
}

// keyOf returns a public key that is of the type, except now and then.
func (s *source) keyOf(prefix nkeys.PrefixByte, badPercent int) string {
	if !s.chance(badPercent) {
		return s.public(prefix)
	}
	good := s.public(prefix)
	return pick(s, s.public(pick(s, publicPrefixes...)), good[:len(good)-1], strings.ToLower(good), " "+good,
		good+"AA", good[:20]+"\n"+good[20:], seed(s.key(nkeys.PrefixByteAccount)), "*", "not a key", "<&>\u2028")
}

var oddStrings = []string{
	"tab\tand\nnewline", "ctl\x01\x00\x1f", "\b\f\r", "del\x7f", "<script>&amp;</script>", "line\u2028sep\u2029par",
	"emoji😀👩‍👩‍👧", "quote\"s 'single'", "back\\slash \\u0041", "\ufffd", "ünïcode", "数据", "عربي", "nb\u00a0sp", "\u200bzero",
	"\ufeffbom", "a/b", "%20 %zz", "{{name()}}", "\U0010ffff", "\u0085\u0080", "İıſ", " padded ", "e\u0301", "\u00ad",
}

func (s *source) text() string {
	words := []string{"orders", "billing", "a", "x-1", "B"}
	parts := []string{pick(s, words...)}
	for range s.IntN(3) {
		if s.chance(50) {
			parts = append(parts, pick(s, oddStrings...))
		} else {
			parts = append(parts, pick(s, words...))
		}
	}
	return strings.Join(parts, " ")
}

func (s *source) maybeText() string {
	if s.chance(40) {
		return ""
	}
	return s.text()
}

var badSubjects = []string{
	"", " ", "a b", "a b c", ".a", "a.", ".", "..", "a..b", ">.a", "a.>.b", "a*b.*", "a>", "tab\t.x", "ctl\x01.a",
	"del\x7f.*", "quote\".\\", "<&>.*", "emoji😀.>", "nb\u00a0sp", "\u2028", "\ufffd.a", "ünï.*", "e\u0301.\u200b", "\U0010ffff.a",
}

func (s *source) goodSubject() string {
	if s.chance(5) {
		return pick(s, "*", ">", "$SYS.>", "_INBOX.>", "$JS.API.>")
	}
	tokens := []string{pick(s, "a", "b", "orders", "events", "billing", "c1", "x-y_z", "*")}
	for range s.IntN(4) {
		tokens = append(tokens, pick(s, "a", "b", "orders", "events", "c1", "*", "*", "$1", "$2", "<t>", "é"))
	}
	if s.chance(25) {
		tokens = append(tokens, ">")
	}
	return strings.Join(tokens, ".")
}

func (s *source) subject() string {
	if s.chance(8) {
		return pick(s, badSubjects...)
	}
	return s.goodSubject()
}

// mapped returns a subject that renames another: good, or bad in one way.
func (s *source) mapped(from string) string {
	if s.chance(35) {
		return pick(s, s.subject(), from, "$1", "$2.$1", "$0.a", "$-1.a", "$+1.b", "$1x.$1", "$.a", "$$1", "$99.>", "*.*", "$01.$1",
			"$9223372036854775808", "$1_0.a", "a.$1.>", "to a", "x..$1")
	}
	wildcards := 0
	for _, token := range strings.Split(from, ".") {
		if token == "*" {
			wildcards++
		}
	}
	tokens := []string{"local"}
	for _, n := range s.Perm(wildcards) {
		tokens = append(tokens, "$"+string(rune('1'+n)))
	}
	if strings.HasSuffix(from, ">") {
		tokens = append(tokens, ">")
	}
	return strings.Join(tokens, ".")
}

const maxExact = 1<<53 - 1

// exact returns a number that survives a way through float64.
func (s *source) exact() int64 {
	switch s.IntN(8) {
	case 0:
		return -1
	case 1:
		return 0
	case 2:
		return pick(s, int64(maxExact), -maxExact, maxExact-1, 1<<32, 1<<31-1, -(1 << 31), 999999999999999, -2)
	default:
		return s.Int64N(1 << s.IntN(53))
	}
}

func (s *source) number() int64 {
	if s.chance(12) {
		return pick(s, int64(math.MaxInt64), math.MinInt64, math.MaxInt64-1, math.MinInt64+1, maxExact+1, maxExact+2, -maxExact-2, 1e18)
	}
	return s.exact()
}

// instant keeps clear of the present, so that a record says the same in years.
func (s *source) instant() int64 {
	return pick(s, 0, 0, 0, 1+s.Int64N(1e9), 1e9+s.Int64N(5e8), 7e9+s.Int64N(1e9), 7e9+s.Int64N(1e9), pick(s, int64(-1), math.MaxInt64, math.MinInt64, 1))
}

func (s *source) tags() jwt.TagList {
	var tags jwt.TagList
	for _, tag := range some(s, 5, func() string {
		return pick(s, "env:prod", "Team:Ops", "region:eu", "plain", " Spaced ", "名:前", s.text())
	}) {
		tags.Add(tag)
	}
	if s.chance(5) {
		tags = append(tags, "UPPER", " padded ", "UPPER", "")
	}
	return tags
}

func (s *source) info() jwt.Info {
	var info jwt.Info
	if s.chance(25) {
		info.Description = s.text()
	}
	if s.chance(25) {
		info.InfoURL = s.url()
	}
	if s.chance(2) {
		info.Description = pick(s, strings.Repeat("é", 4096), strings.Repeat("é", 4096)+"x", strings.Repeat("d", 8192), strings.Repeat("d", 8193))
	}
	if s.chance(1) {
		info.InfoURL = "https://h.example/" + strings.Repeat("p", 8192-18+s.IntN(2))
	}
	return info
}

// parseableURLs all have a scheme and parse: the library refuses to write an
// operator with another account_server_url.
var parseableURLs = []string{
	"https://h.example/jwt/v1", "http://127.0.0.1:9090/jwt/v1", "https://u:p@h.example", "https://[2001:db8::1]:8443/x", "mailto:a@b.example",
	"nats://h.example:4222", "NATS://H.example", "tls://a.example:4443", "https://h.example/%41%20b?q=<&>#f", "a:b", "http://", "http:///path",
	"file:///etc/x", "https://h.example:/x", "https://h.example/a b", "https://ünï.example/", "https://h.example/😀", "x:?q", "h.example:opaque",
	"https://h.example?x=%zz", "https://[fe80::1%25eth0]/", "a+b-c.d://h", "urn:uuid:1",
}

var otherURLs = []string{
	"", "nats://h/path", "nats://h/", "nats://%zz", "://", "h.example", "//h.example/x", "/path", "nats://h:port", "nats://h:99999", "nats://h:-1",
	"nats://[::1]", "nats://[::1", "nats://::1", "nats://::1:4222", "nats://u@h", "nats://:p@h", "nats://@h", "ws://h:80", "WSS://h", "http://h",
	"nats:h:4222", "nats:", "nats://h?x=1", "nats://h#f", "nats://a b", "nats://h/a b", " nats://h", "nats://h ", "nats://h\x7f", "nats://h\n",
	"1nats://h", "na_ts://h", ":4222", "localhost:4222", "127.0.0.1:4222", "nats://h%20x", "nats://h%", "nats://<h>", "nats://h\"q", "nats://h,nats://i",
	"nats://a\\b", "nats://h:4222:1", "tls://ü.example", "%", "a%zz", "nats://[::1]:x", "nats://[::1%25lo]", "nats://[::1%zz]", "nats://u:p%@h",
	"nats://u^:p@h", "😀://h", "nats://h:４", "*", "?", "#", "#f", "a b:c", "first path segment: x", "https://h%41.example", "./a:b",
}

func (s *source) url() string {
	if s.chance(50) {
		return pick(s, parseableURLs...)
	}
	return pick(s, otherURLs...)
}

var versions = []string{
	"2.10.0", "2.10.0", "0.0.0", "00.01.02", " 1.2.3", "1.2.3 ", "+1.2.3", "1.2", "-1.2.3", "-0.1.2", "1_0.2.3", "1.2.3.4", "1.2.", "v1.2.3", "2.10.0-beta",
	"99999999999999999999.1.1", "9223372036854775807.0.0", "9223372036854775808.0.0", "-9223372036854775809.0.0", "١.2.3", "1.-2.3", "1.2.0x3", "1e1.0.0",
	"...", "..", ".", "1..3", "a.b.c", "1.2.b\"q", "1.2.\n", "1.2.<&>", "１.２.３",
}

var cidrs = []string{
	"10.0.0.0/8", "192.168.1.1/32", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:DB8::1/128", "::ffff:10.0.0.0/104", "10.0.0.1/8", "fe80::/10",
	"10.0.0.0", "::1", "10.0.0.0/33", "2001:db8::/129", "010.0.0.0/8", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0.0/", "/8", "", "10.0/8",
	" 10.0.0.0/8", "10.0.0.0/8 ", "10.0.0.0/8/8", "256.0.0.0/8", "fe80::1%eth0/64", "::g/8", "10.0.0.0/255.0.0.0", "1.2.3.4/0x8", "1::2::3/64",
	"::1.2.3.4/96", "::1.2.3.256/96", "1:2:3:4:5:6:7:8/64", "1:2:3:4:5:6:7:8:9/64", "1:2:3:4:5:6:7::/64", "::ffff:1.2.3.4/129", "10.0.0.0/٨", "[::1]/8",
	"10.0.0.0/4294967304", "10.0.0.0/00000000008", "12345::/16", "0001:0db8::/16", "q\"<&>\x7f/8", "10.0.0.0/8,11.0.0.0/8", "any",
}

var clocks = []string{
	"08:00:00", "17:30:00", "00:00:00", "23:59:59", "8:00:00", "24:00:00", "23:60:00", "23:59:60", "08:00", "8", "", " 08:00:00", "08:00:00 ",
	"08:00:00.5", "08:00:00,25", "08:00:00.", "08:00:00.123456789", "08:00:00.1234567891", "8:0:0", "08:0:00", "08:00:0", "008:00:00", "-1:00:00", "noon",
	"08-00-00", "08:00:00Z", "08:00:00 PM", "٠٨:00:00", "\"8\":00", "08:00:00\n", "+8:00:00", "1:2:3", "07:00:00.x",
}

var zones = []string{
	"Europe/Prague", "America/New_York", "Asia/Kolkata", "UTC", "GMT", "Local", "Etc/GMT+5", "America/Argentina/Buenos_Aires", "EST5EDT", "Mars/Phobos", "CEST",
	"europe/prague/x", "../UTC", "Etc/../UTC", "/Europe/Prague", "\\UTC", "UTC ", " UTC", "UTC+1", "+01:00", "Europe/Praha", "q\"<&>", "Zürich", "..", "a..b", "Europe\\Prague",
}
