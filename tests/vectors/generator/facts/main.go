// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

// Command facts writes what the tests compare the declarations with: the
// fields of the Go library's structs, and what Go's standard library makes of
// texts.
//
//	go run ./facts -claims ../../unit/go_claims.json -syntax ../../unit/go_syntax_cases.json
//
// The texts stay those of the file that is there; what Go says of each is
// asked again. So a new text is written under either heading, and moves to the
// right one.
//
//go:debug urlstrictcolons=1
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/nats-io/jwt/v2"
)

// structs are the Go structs of the declared classes, by the names of those.
var structs = map[string]any{
	"Account":               jwt.Account{},
	"Activation":            jwt.Activation{},
	"AuthorizationRequest":  jwt.AuthorizationRequest{},
	"AuthorizationResponse": jwt.AuthorizationResponse{},
	"Claims":                jwt.ClaimsData{},
	"ClientInformation":     jwt.ClientInformation{},
	"ClientTLS":             jwt.ClientTLS{},
	"ConnectOptions":        jwt.ConnectOptions{},
	"Export":                jwt.Export{},
	"ExternalAuthorization": jwt.ExternalAuthorization{},
	"Import":                jwt.Import{},
	"JetStreamLimits":       jwt.JetStreamLimits{},
	"MessageTrace":          jwt.MsgTrace{},
	"Operator":              jwt.Operator{},
	"OperatorLimits":        jwt.OperatorLimits{},
	"Permission":            jwt.Permission{},
	"Permissions":           jwt.Permissions{},
	"ResponsePermission":    jwt.ResponsePermission{},
	"ScopeTemplate":         jwt.UserPermissionLimits{},
	"ServerID":              jwt.ServerID{},
	"ServiceLatency":        jwt.ServiceLatency{},
	"SigningKey":            jwt.UserScope{},
	"TimeRange":             jwt.TimeRange{},
	"User":                  jwt.User{},
	"UserAccess":            jwt.UserPermissionLimits{},
	"WeightedMapping":       jwt.WeightedMapping{},
}

func main() {
	claims := flag.String("claims", "", "file for the fields and the defaults of claims")
	syntax := flag.String("syntax", "", "file of texts, which is rewritten with what Go says of each")
	flag.Parse()
	if *claims != "" {
		write(*claims, facts())
	}
	if *syntax != "" {
		write(*syntax, judged(*syntax))
	}
}

func facts() any {
	fields := map[string][][3]string{}
	for name, value := range structs {
		fields[name] = fieldsOf(reflect.TypeOf(value))
	}
	return map[string]any{"fields": fields, "new": defaults()}
}

// fieldsOf are the JSON name, the kind, and whether a zero is written, of each
// field in the order of writing; embedded structs stand among them.
func fieldsOf(t reflect.Type) [][3]string {
	rows := [][3]string{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		if f.Anonymous && (!tagged || strings.HasPrefix(tag, ",")) {
			rows = append(rows, fieldsOf(f.Type)...)
			continue
		}
		if !f.IsExported() || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		when := "always"
		// A struct that is omitted when empty is written all the same: Go has no empty struct.
		if strings.Contains(options, "omitempty") && f.Type.Kind() != reflect.Struct {
			when = "unless zero"
		}
		rows = append(rows, [3]string{name, kindOf(f.Type), when})
	}
	return rows
}

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		// A pointer in a list or a map stands for what it points to.
		return "pointer to " + t.Elem().Kind().String()
	case reflect.Slice, reflect.Map:
		elem := t.Elem()
		if elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
		return t.Kind().String() + " of " + elem.Kind().String()
	default:
		return t.Kind().String()
	}
}

// defaults are what the New functions make, as JSON, without what encoding sets.
func defaults() map[string]any {
	const subject = "SUBJECT"
	return map[string]any{
		"operator":               jwt.NewOperatorClaims(subject),
		"account":                jwt.NewAccountClaims(subject),
		"user":                   jwt.NewUserClaims(subject),
		"activation":             jwt.NewActivationClaims(subject),
		"authorization_request":  jwt.NewAuthorizationRequestClaims(subject),
		"authorization_response": jwt.NewAuthorizationResponseClaims(subject),
		"generic":                jwt.NewGenericClaims(subject),
		"scope":                  jwt.NewUserScope(),
	}
}

func write(path string, value any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(value); err != nil {
		fmt.Fprintln(os.Stderr, "facts:", err)
		os.Exit(1)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "facts:", err)
		os.Exit(1)
	}
}
