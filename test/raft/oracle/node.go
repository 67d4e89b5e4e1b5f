package main

import (
	"fmt"
	"strconv"
	"strings"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// confAt is the membership after the entry at index was applied.
type confAt struct {
	index uint64
	conf  *pb.ConfState
}

// store is what survives a restart.
type store struct {
	*raft.MemoryStorage
	start               *pb.ConfState
	snapshotUnavailable bool
}

func (s *store) InitialState() (*pb.HardState, *pb.ConfState, error) {
	hs, _, err := s.MemoryStorage.InitialState()
	return hs, s.start, err
}

func (s *store) Snapshot() (*pb.Snapshot, error) {
	if s.snapshotUnavailable {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return s.MemoryStorage.Snapshot()
}

type node struct {
	world *world
	id    uint64
	raw   *raft.RawNode
	store *store
	confs []confAt
	// applied is the state machine's own; the core learns of it later.
	applied uint64
	// ready waits to be persisted and then advanced; synchronous form only.
	ready      *raft.Ready
	appendWork []*pb.Message
	applyWork  []*pb.Message
	appendAcks []*pb.Message
	applyAcks  []*pb.Message
}

func newNode(w *world, id uint64) *node {
	n := &node{world: w, id: id, store: &store{MemoryStorage: raft.NewMemoryStorage()}}
	conf := &pb.ConfState{}
	if isMember(w.settings, id) {
		conf.Voters, conf.Learners = w.settings.Voters, w.settings.Learners
		snap := &pb.Snapshot{Metadata: &pb.SnapshotMetadata{
			Index: new(w.settings.FirstIndex), Term: new(uint64(1)), ConfState: conf,
		}}
		must(n.store.ApplySnapshot(snap))
		n.applied = w.settings.FirstIndex
	}
	n.confs = []confAt{{n.applied, conf}}
	n.start(n.applied)
	return n
}

func isMember(s settings, id uint64) bool {
	for _, member := range append(append([]uint64{}, s.Voters...), s.Learners...) {
		if member == id {
			return true
		}
	}
	return false
}

// start begins with `applied` entries in the state machine; what was only in memory is gone.
func (n *node) start(applied uint64) {
	s := n.world.settings
	for len(n.confs) > 1 && n.confs[len(n.confs)-1].index > applied {
		n.confs = n.confs[:len(n.confs)-1]
	}
	n.store.start = n.confs[len(n.confs)-1].conf
	n.applied = applied
	n.ready, n.appendWork, n.applyWork, n.appendAcks, n.applyAcks = nil, nil, nil, nil, nil
	readMode := raft.ReadOnlySafe
	if s.LeaseReads {
		readMode = raft.ReadOnlyLeaseBased
	}
	raw, err := raft.NewRawNode(&raft.Config{
		ID: n.id, Storage: n.store, Applied: applied, Logger: logger{n.world},
		ElectionTick: s.ElectionTicks, HeartbeatTick: s.HeartbeatTicks,
		MaxSizePerMsg: limit(s.MessageBytes), MaxCommittedSizePerReady: limit(s.CommittedBytes),
		MaxUncommittedEntriesSize: s.UncommittedBytes,
		MaxInflightMsgs:           s.InflightMessages, MaxInflightBytes: s.InflightBytes,
		AsyncStorageWrites: s.Async, PreVote: s.PreVote, CheckQuorum: s.CheckQuorum,
		ReadOnlyOption: readMode, DisableProposalForwarding: !s.ForwardsProposals,
		StepDownOnRemoval: s.StepsDownOnRemoval,
	})
	must(err)
	n.raw = raw
}

func (n *node) do(c command) (string, error) {
	switch c.op {
	case "tick":
		n.raw.Tick()
	case "campaign":
		return "", n.raw.Campaign()
	case "propose":
		return "", n.raw.Propose(n.world.payload(c.a))
	case "conf":
		return "", n.raw.ProposeConfChange(parseChange(c))
	case "transfer":
		n.raw.TransferLeader(c.a)
	case "forget":
		return "", n.raw.ForgetLeader()
	case "read":
		n.raw.ReadIndex(n.world.payload(c.a))
	case "unreachable":
		n.raw.ReportUnreachable(c.a)
	case "snapstatus":
		n.raw.ReportSnapshot(c.a, raft.SnapshotStatus(1+c.b))
	case "local":
		return "", n.raw.Step(&pb.Message{Type: pb.MsgHup.Enum(), From: new(c.a)})
	case "stranger":
		return "", n.raw.Step(&pb.Message{Type: pb.MsgAppResp.Enum(), From: new(uint64(99))})
	default:
		return n.work(c)
	}
	return "", nil
}

// work is what the owner of a core does with its storage.
func (n *node) work(c command) (string, error) {
	switch c.op {
	case "ready":
		return n.takeReady(), nil
	case "persist":
		n.save(n.ready.HardState, n.ready.Entries, n.ready.Snapshot)
		n.world.send(n.ready.Messages...)
	case "advance":
		extra := n.apply(n.ready.CommittedEntries)
		n.raw.Advance(*n.ready)
		n.ready = nil
		return extra, nil
	case "append":
		n.appendOne()
	case "apply":
		m := n.applyWork[0]
		n.applyWork = n.applyWork[1:]
		n.applyAcks = append(n.applyAcks, m.Responses...)
		return n.apply(m.Entries), nil
	case "ackappend":
		return "", n.acknowledge(&n.appendAcks)
	case "ackapply":
		return "", n.acknowledge(&n.applyAcks)
	case "snapshot":
		_, err := n.store.CreateSnapshot(c.a, n.confAt(c.a), []byte("s"+strconv.FormatUint(c.a, 10)))
		must(err)
	case "compact":
		must(n.store.Compact(c.a))
	case "avail":
		n.store.snapshotUnavailable = c.a == 0
	case "restart":
		n.start(c.a)
	default:
		panic("unknown command " + c.op)
	}
	return "", nil
}

func (n *node) takeReady() string {
	rd := n.raw.Ready()
	text := describeReady(rd)
	if !n.world.settings.Async {
		n.ready = &rd
		return text
	}
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			n.appendWork = append(n.appendWork, m)
		case raft.LocalApplyThread:
			n.applyWork = append(n.applyWork, m)
		default:
			n.world.send(m)
		}
	}
	return text
}

func (n *node) appendOne() {
	m := n.appendWork[0]
	n.appendWork = n.appendWork[1:]
	n.save(&pb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}, m.Entries, m.Snapshot)
	for _, response := range m.Responses {
		if response.GetTo() == n.id {
			n.appendAcks = append(n.appendAcks, response)
		} else {
			n.world.send(response)
		}
	}
}

// acknowledge hands the first answer of a storage thread to the core: they never pass each other.
// A node that has left the group refuses what it tells itself as a peer.
func (n *node) acknowledge(acks *[]*pb.Message) error {
	ack := (*acks)[0]
	*acks = (*acks)[1:]
	return n.raw.Step(proto.Clone(ack).(*pb.Message))
}

func (n *node) save(hs *pb.HardState, entries []*pb.Entry, snap *pb.Snapshot) {
	if !raft.IsEmptyHardState(hs) {
		must(n.store.SetHardState(hs))
	}
	if !raft.IsEmptySnap(snap) {
		must(n.store.ApplySnapshot(snap))
		n.applied = snap.GetMetadata().GetIndex()
		n.confs = []confAt{{n.applied, snap.GetMetadata().GetConfState()}}
	}
	must(n.store.Append(entries))
}

// apply leaves out what a snapshot brought meanwhile. It tells each membership it came to.
func (n *node) apply(entries []*pb.Entry) string {
	var told []string
	for _, entry := range entries {
		if entry.GetIndex() <= n.applied {
			continue
		}
		n.applied = entry.GetIndex()
		if entry.GetType() == pb.EntryNormal {
			continue
		}
		conf := n.raw.ApplyConfChange(decodeChange(entry))
		n.confs = append(n.confs, confAt{n.applied, conf})
		told = append(told, describeConf(conf, true))
	}
	return strings.Join(told, " ")
}

func (n *node) confAt(index uint64) *pb.ConfState {
	for i := len(n.confs) - 1; i >= 0; i-- {
		if n.confs[i].index <= index {
			return n.confs[i].conf
		}
	}
	panic(fmt.Sprintf("no membership known at %d", index))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
