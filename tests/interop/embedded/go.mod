module natsops.example/embedded

go 1.26.0

require (
	github.com/nats-io/nats-server/v2 v2.10.18
	github.com/nats-io/nats.go v1.36.0
)
