// The shortest honest collector in Go: golang-dnstap and miekg/dns, answers counted by name.
package main

import (
	"fmt"
	"os"
	"strings"

	dnstap "github.com/dnstap/golang-dnstap"
	"github.com/miekg/dns"
	"google.golang.org/protobuf/proto"
)

func main() {
	input, err := dnstap.NewFrameStreamSockInputFromPath(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	frames := make(chan []byte, 1024)
	go input.ReadInto(frames)
	counts := map[string]int{}
	for frame := range frames {
		var tap dnstap.Dnstap
		if proto.Unmarshal(frame, &tap) != nil || tap.Message == nil {
			continue
		}
		kind := tap.Message.GetType()
		if kind != dnstap.Message_AUTH_RESPONSE && kind != dnstap.Message_CLIENT_RESPONSE {
			continue
		}
		var answer dns.Msg
		if answer.Unpack(tap.Message.ResponseMessage) != nil || len(answer.Question) != 1 {
			continue
		}
		if answer.Rcode == dns.RcodeSuccess && !answer.Truncated && len(answer.Answer) > 0 {
			counts[strings.ToLower(answer.Question[0].Name)]++
		}
	}
}
