// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

const operatorName = "O"

// store generates an operator, its accounts and their users, and writes them
// in nsc's layout: tokens under stores/, seeds and creds under keys/.
// The operator and each account have one signing key, which signs the level
// below. The count of the result is the number of files.
func store(dir string, accounts, users int) result {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		check(fmt.Errorf("%s is not empty", dir))
	}
	start := startWatch()
	w := writer{made: map[string]bool{}}
	tokens, keys := filepath.Join(dir, "stores", operatorName), filepath.Join(dir, "keys")
	w.write(filepath.Join(tokens, ".nsc"), []byte(`{"managed":false,"name":"`+operatorName+`","kind":"operator","version":"1"}`))
	w.write(filepath.Join(keys, ".gitignore"), []byte("# ignore all nk files\n**/*.nk\n\n# ignore all creds files\n**/*.creds\n"))

	operator, operatorSigner := must(nkeys.CreateOperator()), must(nkeys.CreateOperator())
	o := jwt.NewOperatorClaims(public(operator))
	o.Name = operatorName
	o.SigningKeys.Add(public(operatorSigner))
	w.write(filepath.Join(tokens, operatorName+".jwt"), []byte(must(o.Encode(operator))))
	w.writeKey(keys, operator)
	w.writeKey(keys, operatorSigner)

	for a := range accounts {
		account, signer := must(nkeys.CreateAccount()), must(nkeys.CreateAccount())
		c := jwt.NewAccountClaims(public(account))
		c.Name = fmt.Sprintf("account-%d", a)
		c.SigningKeys.Add(public(signer))
		folder := filepath.Join(tokens, "accounts", c.Name)
		w.write(filepath.Join(folder, c.Name+".jwt"), []byte(must(c.Encode(operatorSigner))))
		w.writeKey(keys, account)
		w.writeKey(keys, signer)

		for u := range users {
			user, token := newUser(u, public(account), signer)
			name := fmt.Sprintf("user-%d", u)
			w.write(filepath.Join(folder, "users", name+".jwt"), []byte(token))
			w.writeKey(keys, user)
			creds := must(jwt.FormatUserConfig(token, must(user.Seed())))
			w.write(filepath.Join(keys, "creds", operatorName, c.Name, name+".creds"), creds)
		}
	}
	return start.result("store", w.files)
}

type writer struct {
	made  map[string]bool
	files int
}

func (w *writer) writeKey(keys string, kp nkeys.KeyPair) {
	p := public(kp)
	w.write(filepath.Join(keys, "keys", p[:1], p[1:3], p+".nk"), must(kp.Seed()))
}

// write replaces a file atomically: if it fails, the old file is unchanged.
func (w *writer) write(path string, content []byte) {
	dir := filepath.Dir(path)
	if !w.made[dir] {
		check(os.MkdirAll(dir, 0o700))
		w.made[dir] = true
	}
	f := must(os.CreateTemp(dir, ".tmp-*")) // mode 0600
	_, err := f.Write(content)
	check(err)
	check(f.Sync())
	check(f.Close())
	check(os.Rename(f.Name(), path))
	w.files++
}
