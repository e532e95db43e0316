// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

// A nats-server with clients in its own process. The first argument is its configuration, the others are creds files. It connects in process with each of
// them, and prints "accepted" or the server's error. Then it serves other clients until the standard input is closed.
package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func main() {
	options, err := server.ProcessConfigFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	running, err := server.NewServer(options)
	if err != nil {
		panic(err)
	}
	running.ConfigureLogger()
	running.Start()
	if !running.ReadyForConnections(time.Minute) {
		panic("the server does not accept connections")
	}
	for _, creds := range os.Args[2:] {
		client, err := nats.Connect("", nats.InProcessServer(running), nats.UserCredentials(creds), nats.Timeout(time.Minute))
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("accepted")
		client.Close()
	}
	io.Copy(io.Discard, os.Stdin)
	running.Shutdown()
}
