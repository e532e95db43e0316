// Copyright (c) 2026 NatsOps authors
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package peers pins the tools of NATS that the interop tests run; `build` builds them. Only as a dependency does nsc build.
package peers

import (
	_ "github.com/nats-io/natscli/nats"
	_ "github.com/nats-io/nsc/v2"
)
