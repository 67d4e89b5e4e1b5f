package main

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// The forms here are test/raft/lockstep/describe.ts once more: every field, in one fixed order.

type text struct{ strings.Builder }

func (t *text) number(n uint64) {
	t.WriteString(strconv.FormatUint(n, 10))
	t.WriteByte(' ')
}

func (t *text) flag(on bool) {
	if on {
		t.WriteString("y ")
	} else {
		t.WriteString("n ")
	}
}

func (t *text) target(id uint64) {
	switch id {
	case raft.LocalAppendThread:
		t.WriteString("append ")
	case raft.LocalApplyThread:
		t.WriteString("apply ")
	default:
		t.number(id)
	}
}

// bytes tells the length and a checksum (FNV-1a).
func (t *text) bytes(data []byte) {
	sum := uint32(2166136261)
	for _, b := range data {
		sum = (sum ^ uint32(b)) * 16777619
	}
	t.WriteString(strconv.Itoa(len(data)))
	t.WriteByte(':')
	t.WriteString(strconv.FormatUint(uint64(sum), 16))
	t.WriteByte(' ')
}

func (t *text) entries(entries []*pb.Entry) {
	t.WriteByte('[')
	for _, e := range entries {
		t.number(e.GetTerm())
		t.number(e.GetIndex())
		t.number(uint64(e.GetType()))
		t.bytes(e.GetData())
	}
	t.WriteString("] ")
}

func (t *text) snapshot(s *pb.Snapshot) {
	if raft.IsEmptySnap(s) {
		t.WriteString("- ")
		return
	}
	t.number(s.GetMetadata().GetIndex())
	t.number(s.GetMetadata().GetTerm())
	t.WriteString(describeConf(s.GetMetadata().GetConfState(), true))
	t.WriteByte(' ')
	t.bytes(s.GetData())
}

func (t *text) messages(messages []*pb.Message) {
	t.WriteByte('[')
	for _, m := range messages {
		t.message(m)
	}
	t.WriteString("] ")
}

func (t *text) message(m *pb.Message) {
	t.WriteString(m.GetType().String())
	t.WriteByte(' ')
	t.target(m.GetFrom())
	t.target(m.GetTo())
	t.number(m.GetTerm())
	t.number(m.GetLogTerm())
	t.number(m.GetIndex())
	t.number(m.GetCommit())
	t.number(m.GetVote())
	t.flag(m.GetReject())
	t.number(m.GetRejectHint())
	t.WriteString(hex.EncodeToString(m.GetContext()))
	t.WriteByte(' ')
	t.entries(m.GetEntries())
	t.snapshot(m.GetSnapshot())
	t.messages(m.GetResponses())
}

func describeReady(rd raft.Ready) string {
	t := &text{}
	if rd.SoftState != nil {
		t.number(rd.SoftState.Lead)
		t.WriteString(rd.SoftState.RaftState.String())
	}
	t.WriteByte(';')
	if !raft.IsEmptyHardState(rd.HardState) {
		t.number(rd.HardState.GetTerm())
		t.number(rd.HardState.GetVote())
		t.number(rd.HardState.GetCommit())
	}
	t.WriteByte(';')
	for _, read := range rd.ReadStates {
		t.number(read.Index)
		t.bytes(read.RequestCtx)
	}
	t.WriteByte(';')
	t.entries(rd.Entries)
	t.snapshot(rd.Snapshot)
	t.entries(rd.CommittedEntries)
	t.messages(rd.Messages)
	t.flag(rd.MustSync)
	return t.String()
}

func describeConf(c *pb.ConfState, withAutoLeave bool) string {
	t := &text{}
	for _, ids := range [][]uint64{c.GetVoters(), c.GetLearners(), c.GetVotersOutgoing(), c.GetLearnersNext()} {
		for _, id := range slices.Sorted(slices.Values(ids)) {
			t.WriteString(strconv.FormatUint(id, 10))
			t.WriteByte('.')
		}
		t.WriteByte('/')
	}
	if withAutoLeave {
		t.flag(c.GetAutoLeave())
	}
	return t.String()
}

// describeStatus leaves out autoLeave: raft.Status does not carry it over.
func describeStatus(s raft.Status) string {
	t := &text{}
	for _, n := range []uint64{s.ID, s.GetTerm(), s.GetVote(), s.GetCommit(), s.Lead, s.Applied, s.LeadTransferee} {
		t.number(n)
	}
	t.WriteString(s.RaftState.String())
	t.WriteByte(' ')
	t.WriteString(describeConf(&pb.ConfState{
		Voters:         s.Config.Voters[0].Slice(),
		VotersOutgoing: s.Config.Voters[1].Slice(),
		Learners:       slices.Collect(maps.Keys(s.Config.Learners)),
		LearnersNext:   slices.Collect(maps.Keys(s.Config.LearnersNext)),
	}, false))
	for _, id := range slices.Sorted(maps.Keys(s.Progress)) {
		p := s.Progress[id]
		t.progress(id, &p)
	}
	return t.String()
}

func (t *text) progress(id uint64, p *tracker.Progress) {
	fmt.Fprintf(t, " %d:", id)
	t.WriteString(p.State.String())
	t.WriteByte(' ')
	t.number(p.Match)
	t.number(p.Next)
	t.number(p.PendingSnapshot)
	t.flag(p.RecentActive)
	t.flag(p.IsPaused())
	t.flag(p.IsLearner)
	t.number(uint64(p.Inflights.Count()))
	t.flag(p.Inflights.Full())
}
