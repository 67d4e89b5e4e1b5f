package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// settings are those of one run; 0 in a limit means what it means to raft.Config.
type settings struct {
	Nodes, FirstIndex                               uint64
	Voters, Learners                                []uint64
	ElectionTicks, HeartbeatTicks, InflightMessages int
	MessageBytes, CommittedBytes                    uint64
	UncommittedBytes, InflightBytes                 uint64
	Async, PreVote, CheckQuorum, LeaseReads         bool
	ForwardsProposals, StepsDownOnRemoval           bool
}

// world is a group and the network between its members.
type world struct {
	settings  settings
	nodes     []*node
	network   []*pb.Message
	proposals int
	logs      []string
	dead      bool
}

func newWorld(text string) *world {
	w := &world{}
	if err := json.Unmarshal([]byte(text), &w.settings); err != nil {
		panic(err)
	}
	raft.LockstepOffset = 0
	for id := uint64(1); id <= w.settings.Nodes; id++ {
		w.nodes = append(w.nodes, newNode(w, id))
	}
	w.logs = nil
	return w
}

// command is `op offset node a b [changes]`; offset is what the next draws of an election timeout give.
type command struct {
	op      string
	node    *node
	a, b    uint64
	changes string
}

func (w *world) parse(line string) command {
	words := strings.Split(line, " ")
	numbers := make([]uint64, 4)
	for i := range numbers {
		n, err := strconv.ParseUint(words[i+1], 10, 64)
		if err != nil {
			panic(err)
		}
		numbers[i] = n
	}
	raft.LockstepOffset = int(numbers[0])
	c := command{op: words[0], a: numbers[2], b: numbers[3]}
	if numbers[1] > 0 {
		c.node = w.nodes[numbers[1]-1]
	}
	if len(words) > 5 {
		c.changes = words[5]
	}
	return c
}

// run answers `result|hasReady|status|extra|logs`, or `panic: why` after which the group is dead.
func (w *world) run(line string) (answer string) {
	if w.dead {
		return "dead"
	}
	defer func() {
		if why := recover(); why != nil {
			w.dead = true
			answer = strings.ReplaceAll(fmt.Sprintf("panic: %v", why), "\n", " ")
		}
	}()
	w.logs = w.logs[:0]
	c := w.parse(line)
	var err error
	var extra string
	if c.op == "step" {
		c.node, err = w.step(c)
	} else if c.op == "drop" {
		w.network = slices.Delete(w.network, int(c.a), int(c.a)+1)
		return "dropped"
	} else {
		extra, err = c.node.do(c)
	}
	return fmt.Sprintf("%s|%t|%s|%s|%s", describeError(err), c.node.raw.HasReady(),
		describeStatus(c.node.raw.Status()), extra, strings.Join(w.logs, " ~ "))
}

// step delivers message a; it stays in the network when b is 1.
func (w *world) step(c command) (*node, error) {
	m := w.network[c.a]
	if c.b == 0 {
		w.network = slices.Delete(w.network, int(c.a), int(c.a)+1)
	} else {
		m = proto.Clone(m).(*pb.Message)
	}
	n := w.nodes[m.GetTo()-1]
	return n, n.raw.Step(proto.Clone(m).(*pb.Message))
}

func (w *world) send(messages ...*pb.Message) {
	w.network = append(w.network, messages...)
}

func describeError(err error) string {
	switch {
	case err == nil:
		return "-"
	case errors.Is(err, raft.ErrProposalDropped):
		return "proposalDropped"
	case errors.Is(err, raft.ErrStepLocalMsg):
		return "localMessage"
	case errors.Is(err, raft.ErrStepPeerNotFound):
		return "peerNotFound"
	}
	return err.Error()
}

func limit(n uint64) uint64 {
	if n == 0 {
		return math.MaxUint64
	}
	return n
}
