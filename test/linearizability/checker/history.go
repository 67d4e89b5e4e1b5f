package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
)

// operation is one line of a history; test/linearizability/history.ts says what its fields mean.
type operation struct {
	Client    int    `json:"client"`
	Partition int    `json:"partition"`
	Op        string `json:"op"`
	Call      int64  `json:"call"`
	Return    *int64 `json:"return"`
	Outcome   string `json:"outcome"`
	Code      string `json:"code"`
	Broker    int64  `json:"broker"`
	Epoch     int64  `json:"epoch"`
	Token     int64  `json:"token"`
	Segment   int64  `json:"segment"`
	State     string `json:"state"`
}

const (
	wasApplied   = "ok"
	wasRefused   = "refused"
	isUnknown    = "unknown"
	maxLineBytes = 1 << 20
)

// end is when the operation was surely over: never, when nobody knows its outcome.
func (o operation) end() int64 {
	if o.Return == nil || o.Outcome == isUnknown {
		return math.MaxInt64
	}
	return *o.Return
}

func (o operation) String() string {
	text := fmt.Sprintf("client %d [%d, %d] %s %s%s", o.Client, o.Call, o.end(), o.Op, o.Outcome, spaced(o.Code))
	switch o.Op {
	case "claim", "read-claim":
		return fmt.Sprintf("%s broker %d epoch %d token %d", text, o.Broker, o.Epoch, o.Token)
	case "read-segment":
		return fmt.Sprintf("%s segment %d is %q", text, o.Segment, o.State)
	default:
		return fmt.Sprintf("%s segment %d token %d", text, o.Segment, o.Token)
	}
}

func spaced(text string) string {
	if text == "" {
		return ""
	}
	return " " + text
}

func readHistory(path string) (map[int][]operation, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	byPartition := map[int][]operation{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		var o operation
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, fmt.Errorf("%s: %w", lines.Text(), err)
		}
		byPartition[o.Partition] = append(byPartition[o.Partition], o)
	}
	return byPartition, lines.Err()
}
