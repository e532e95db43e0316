// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

// Command benchmarks measures the official Go library on one thread, as a peer
// for the Python code. Each run prints one line of JSON.
//
//	go build -o peer . && ./peer issue 20000 && ./peer decode 20000 && ./peer store DIR 20 50
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

type result struct {
	Name    string  `json:"name"`
	Count   int     `json:"count"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
}

// A watch measures the wall-clock and CPU time since it was started.
type watch struct {
	wall time.Time
	cpu  float64
}

func startWatch() watch { return watch{time.Now(), cpuSeconds()} }

func (w watch) result(name string, count int) result {
	return result{name, count, time.Since(w.wall).Seconds(), cpuSeconds() - w.cpu}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func main() {
	runtime.GOMAXPROCS(1)
	args := os.Args[1:]
	var r result
	switch {
	case len(args) == 2 && args[0] == "issue":
		r = issue(number(args[1]))
	case len(args) == 2 && args[0] == "decode":
		r = decode(number(args[1]))
	case len(args) == 4 && args[0] == "store":
		r = store(args[1], number(args[2]), number(args[3]))
	default:
		fmt.Fprintln(os.Stderr, "usage: benchmarks issue N | decode N | store DIR ACCOUNTS USERS_OF_EACH")
		os.Exit(2)
	}
	check(json.NewEncoder(os.Stdout).Encode(r))
}

// issue creates a key pair and a signed token for each user.
func issue(count int) result {
	account, signer := must(nkeys.CreateAccount()), must(nkeys.CreateAccount())
	w := startWatch()
	for i := range count {
		newUser(i, public(account), signer)
	}
	return w.result("issue", count)
}

// decode decodes and verifies tokens. The time to create them is not counted.
func decode(count int) result {
	account, signer := must(nkeys.CreateAccount()), must(nkeys.CreateAccount())
	tokens := make([]string, min(count, 10000))
	for i := range tokens {
		_, tokens[i] = newUser(i, public(account), signer)
	}
	w := startWatch()
	for i := range count {
		must(jwt.DecodeUserClaims(tokens[i%len(tokens)]))
	}
	return w.result("decode", count)
}

func newUser(i int, account string, signer nkeys.KeyPair) (nkeys.KeyPair, string) {
	kp := must(nkeys.CreateUser())
	c := jwt.NewUserClaims(public(kp))
	c.Name = fmt.Sprintf("user-%d", i)
	c.Pub.Allow = jwt.StringList{"orders.>", "metrics.*"}
	c.Sub.Allow = jwt.StringList{"_INBOX.>", "orders.replies"}
	c.IssuerAccount = account
	return kp, must(c.Encode(signer))
}

func public(kp nkeys.KeyPair) string { return must(kp.PublicKey()) }

func number(text string) int {
	n := must(strconv.Atoi(text))
	if n < 0 {
		check(fmt.Errorf("%d is negative", n))
	}
	return n
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}
