module umbra.example/counter

go 1.21

require (
	github.com/dnstap/golang-dnstap v0.4.0
	github.com/miekg/dns v1.1.62
	google.golang.org/protobuf v1.34.2
)

require (
	github.com/farsightsec/golang-framestream v0.3.0 // indirect
	golang.org/x/mod v0.18.0 // indirect
	golang.org/x/net v0.27.0 // indirect
	golang.org/x/sync v0.7.0 // indirect
	golang.org/x/sys v0.22.0 // indirect
	golang.org/x/tools v0.22.0 // indirect
)
