// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

// Writes tests/unit/go_sort_cases.json: lists of keys, each with the order in which sort.Sort leaves them, as indexes of the list.
//
//	go run ./sorts >../../unit/go_sort_cases.json
package main

import (
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strings"
)

type item struct {
	key   string
	index int
}

type items []item

func (l items) Len() int           { return len(l) }
func (l items) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l items) Less(i, j int) bool { return l[i].key < l[j].key }

func main() {
	random := rand.New(rand.NewSource(7))
	var lines []string
	for number := 0; number < 60; number++ {
		length := 11 + random.Intn(60)
		if number%15 == 14 {
			length = 400
		}
		keys := 1 + random.Intn(length)
		list := make(items, length)
		var before, after []string
		for i := range list {
			key := random.Intn(keys)
			switch number % 5 {
			case 1:
				key = i * keys / length
			case 2:
				key = (length - i) * keys / length
			case 3:
				key = i % keys
			case 4:
				if random.Intn(9) != 0 {
					key = i * keys / length
				}
			}
			list[i] = item{fmt.Sprintf("%03d", key), i}
			before = append(before, fmt.Sprintf("%q", list[i].key))
		}
		sort.Sort(list)
		for _, one := range list {
			after = append(after, fmt.Sprint(one.index))
		}
		lines = append(lines, fmt.Sprintf("[[%s],[%s]]", strings.Join(before, ","), strings.Join(after, ",")))
	}
	fmt.Fprintf(os.Stdout, "[\n%s\n]\n", strings.Join(lines, ",\n"))
}
