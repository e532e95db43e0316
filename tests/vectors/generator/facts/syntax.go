// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// judges say of a text what Go makes of it: nil where there is nothing to say
// beside that it is accepted.
var judges = map[string]func(text string) (any, error){
	"parse_url": func(text string) (any, error) {
		u, err := url.Parse(text)
		if err != nil {
			return nil, err
		}
		return []any{raw(u.Scheme), raw(u.Opaque), u.User != nil, raw(u.Host), raw(u.Hostname()), raw(u.Path)}, nil
	},
	"parse_cidr": func(text string) (any, error) {
		_, _, err := net.ParseCIDR(text)
		return nil, err
	},
	"parse_clock": func(text string) (any, error) {
		_, err := time.Parse("15:04:05", text)
		return nil, err
	},
	"atoi": func(text string) (any, error) {
		n, err := strconv.Atoi(text)
		return n, err
	},
	"check_location": func(text string) (any, error) {
		_, err := time.LoadLocation(text)
		return nil, err
	},
}

// raw is a text that may hold bytes that are not UTF-8, which are written as
// the lone surrogates that Python's surrogateescape makes of them.
type raw string

// MarshalJSON writes the text.
func (r raw) MarshalJSON() ([]byte, error) {
	out := []byte{'"'}
	for i := 0; i < len(r); {
		c, size := utf8.DecodeRuneInString(string(r[i:]))
		if c == utf8.RuneError && size == 1 {
			out = fmt.Appendf(out, "\\udc%02x", r[i])
		} else {
			quoted, err := json.Marshal(string(r[i : i+size]))
			if err != nil {
				return nil, err
			}
			out = append(out, quoted[1:len(quoted)-1]...)
		}
		i += size
	}
	return append(out, '"'), nil
}

type ordered struct {
	texts  []string
	values []any
}

// MarshalJSON writes an object in the order of its texts.
func (o ordered) MarshalJSON() ([]byte, error) {
	out := []byte("{")
	for i, text := range o.texts {
		if i > 0 {
			out = append(out, ',')
		}
		key, err := json.Marshal(text)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(o.values[i])
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

// judged is what Go says of the texts of a file.
func judged(path string) any {
	data, err := os.ReadFile(path)
	check(err)
	var cases map[string]json.RawMessage
	check(json.Unmarshal(data, &cases))
	result := map[string]any{}
	for name, raw := range cases {
		judge, found := judges[name]
		if !found {
			result[name] = floats(raw)
			continue
		}
		var both struct {
			Accepted json.RawMessage `json:"accepted"`
			Refused  []string        `json:"refused"`
		}
		check(json.Unmarshal(raw, &both))
		texts := append(textsOf(both.Accepted), both.Refused...)
		accepted := ordered{}
		refused := []string{}
		for _, text := range texts {
			value, err := judge(text)
			if err != nil {
				refused = append(refused, text)
				continue
			}
			accepted.texts = append(accepted.texts, text)
			accepted.values = append(accepted.values, value)
		}
		if len(accepted.values) > 0 && accepted.values[0] != nil {
			result[name] = map[string]any{"accepted": accepted, "refused": refused}
		} else {
			result[name] = map[string]any{"accepted": accepted.texts, "refused": refused}
		}
	}
	return result
}

// textsOf are the texts of a list, or the keys of an object, sorted.
func textsOf(raw json.RawMessage) []string {
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	var object map[string]any
	check(json.Unmarshal(raw, &object))
	for text := range object {
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

// floats are numbers as encoding/json writes them.
func floats(raw json.RawMessage) []string {
	var texts, written []string
	check(json.Unmarshal(raw, &texts))
	for _, text := range texts {
		number, err := strconv.ParseFloat(text, 64)
		check(err)
		data, err := json.Marshal(number)
		check(err)
		written = append(written, string(data))
	}
	return written
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "facts:", err)
		os.Exit(1)
	}
}
