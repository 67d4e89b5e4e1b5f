package main

import (
	"fmt"
	"maps"

	"github.com/anishathalye/porcupine"
)

type segment struct {
	state string
	// own: the record's token is that of the newest claim.
	own bool
}

const (
	started  = "COPY_SEGMENT_STARTED"
	finished = "COPY_SEGMENT_FINISHED"

	fenced   = "FENCED_LEADER_EPOCH"
	notFound = "NOT_FOUND"
	illegal  = "ILLEGAL_TRANSITION"
)

// partition is what the metastore knows of one Kafka partition. Values are never changed, only replaced.
type partition struct {
	claimed bool
	epoch   int64
	broker  int64
	// token is 0 when the answer to the newest claim never came: whoever reads it first tells.
	token int64
	// floor: every later token is above it.
	floor int64
	// segments that are gone are not here.
	segments map[int64]segment
}

func model() porcupine.Model {
	return porcupine.Model{
		Init: func() interface{} { return partition{} },
		Step: func(state, input, _ interface{}) (bool, interface{}) {
			return state.(partition).step(input.(operation))
		},
		Equal: func(left, right interface{}) bool {
			return left.(partition).equals(right.(partition))
		},
		DescribeOperation: func(input, _ interface{}) string { return input.(operation).String() },
		DescribeState:     func(state interface{}) string { return state.(partition).String() },
	}
}

// step says whether the operation may have had its outcome now, and what is so after it. An operation
// without an outcome may have been applied or refused; one that never happened stands at the end.
func (p partition) step(o operation) (bool, partition) {
	switch o.Op {
	case "read-claim":
		return p.readClaim(o)
	case "read-segment":
		return p.segments[o.Segment].state == o.State, p
	}
	code, next := p.apply(o)
	switch o.Outcome {
	case wasApplied:
		return code == "" && (o.Op != "claim" || o.Token > p.floor), next
	case wasRefused:
		return code != "" && code == o.Code, p
	default:
		return true, next
	}
}

// apply gives the code of a refusal, which changes nothing.
func (p partition) apply(o operation) (string, partition) {
	if o.Op == "claim" {
		return p.claim(o)
	}
	if !p.claimed || o.Token != p.token {
		return fenced, p
	}
	known, exists := p.segments[o.Segment]
	switch o.Op {
	case "start":
		if exists {
			return illegal, p // an id is used once
		}
		return "", p.with(o.Segment, segment{started, true})
	case "finish":
		if !exists {
			return notFound, p
		}
		if !known.own {
			return fenced, p
		}
		return "", p.with(o.Segment, segment{finished, true})
	case "abort":
		if !exists {
			return notFound, p
		}
		if known.state == finished {
			return illegal, p
		}
		return "", p.with(o.Segment, segment{})
	}
	panic("no such operation: " + o.Op)
}

// claim: one broker an epoch; a broker that claims again keeps its open copies.
func (p partition) claim(o operation) (string, partition) {
	again := p.claimed && o.Broker == p.broker
	if p.claimed && (o.Epoch < p.epoch || o.Epoch == p.epoch && !again) {
		return fenced, p
	}
	next := p
	next.claimed, next.epoch, next.broker = true, o.Epoch, o.Broker
	next.token = 0
	if o.Outcome == wasApplied {
		next.token, next.floor = o.Token, o.Token
	}
	next.segments = make(map[int64]segment, len(p.segments))
	for id, known := range p.segments {
		own := known.own && again && known.state == started
		next.segments[id] = segment{known.state, own}
	}
	return "", next
}

func (p partition) readClaim(o operation) (bool, partition) {
	if !p.claimed {
		return o.Token == 0, p
	}
	if o.Epoch != p.epoch || o.Broker != p.broker {
		return false, p
	}
	if p.token != 0 {
		return o.Token == p.token, p
	}
	next := p
	next.token, next.floor = o.Token, o.Token
	return o.Token > p.floor, next
}

func (p partition) with(id int64, s segment) partition {
	next := p
	next.segments = maps.Clone(p.segments)
	if next.segments == nil {
		next.segments = map[int64]segment{}
	}
	if s.state == "" {
		delete(next.segments, id)
	} else {
		next.segments[id] = s
	}
	return next
}

func (p partition) equals(other partition) bool {
	return p.claimed == other.claimed && p.epoch == other.epoch && p.broker == other.broker &&
		p.token == other.token && p.floor == other.floor && maps.Equal(p.segments, other.segments)
}

func (p partition) String() string {
	return fmt.Sprintf("broker %d epoch %d token %d, %d segments", p.broker, p.epoch, p.token, len(p.segments))
}
