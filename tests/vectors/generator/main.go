// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

// Command generator writes golden vectors with the official Go library, for
// the tests that hold the Python codec to it.
//
//	go run . -seed 1 -count 300 -claims claims.jsonl -misc misc.json
//
// The same seed gives the same keys and claims; iat, and with it jti and the
// signature, follow the clock, because the library sets them.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

func main() {
	seed := flag.Uint64("seed", 1, "seed of the random source")
	count := flag.Int("count", 300, "number of claims records")
	claims := flag.String("claims", "", "file for the claims, one JSON record a line")
	misc := flag.String("misc", "", "file for the other lists, one JSON object")
	handmade := flag.String("handmade", "", "file for tokens that the library reads but does not write, in the form of -claims")
	flag.Parse()
	if flag.NArg() != 0 || *count < 0 || (*claims == "" && *misc == "" && *handmade == "") {
		flag.Usage()
		os.Exit(2)
	}
	// A source for each file, so that asking for one does not change another.
	if *claims != "" {
		s := newSource(*seed, 1)
		writeLines(*claims, *count, func(i int) any { return s.record(i) })
	}
	if *misc != "" {
		writeIndented(*misc, newSource(*seed, 2).misc())
	}
	if *handmade != "" {
		records := newSource(*seed, 3).handmadeRecords()
		writeLines(*handmade, len(records), func(i int) any { return records[i] })
	}
}

func writeLines(path string, count int, line func(int) any) {
	f := must(os.Create(path))
	w := bufio.NewWriter(f)
	e := json.NewEncoder(w)
	for i := range count {
		check(e.Encode(line(i)))
	}
	check(w.Flush())
	check(f.Close())
}

func writeIndented(path string, v any) {
	check(os.WriteFile(path, append(must(json.MarshalIndent(v, "", " ")), '\n'), 0o644))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "generator:", err)
		os.Exit(1)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}
