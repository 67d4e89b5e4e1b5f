package main

import (
	"fmt"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

const (
	kindV1    = 3
	kindLeave = 4
)

// payload is the next of the run's contents, letters only; none at all when it is empty.
func (w *world) payload(size uint64) []byte {
	w.proposals++
	var data []byte
	for i := range size {
		data = append(data, byte(97+(uint64(w.proposals)*31+i*7)%26))
	}
	return data
}

// parseChange reads `type:id,type:id`; a is the transition or one of the kinds, b the context's length.
func parseChange(c command) pb.ConfChangeI {
	if c.a == kindLeave {
		return nil
	}
	context := c.node.world.payload(c.b)
	var singles []*pb.ConfChangeSingle
	for _, word := range strings.Split(c.changes, ",") {
		var kind int32
		var id uint64
		if _, err := fmt.Sscanf(word, "%d:%d", &kind, &id); err != nil {
			panic(err)
		}
		singles = append(singles, &pb.ConfChangeSingle{Type: pb.ConfChangeType(kind).Enum(), NodeId: new(id)})
	}
	if c.a == kindV1 {
		return &pb.ConfChange{Type: singles[0].Type, NodeId: singles[0].NodeId, Context: context}
	}
	return &pb.ConfChangeV2{
		Transition: pb.ConfChangeTransition(c.a).Enum(), Changes: singles, Context: context,
	}
}

func decodeChange(entry *pb.Entry) pb.ConfChangeI {
	if entry.GetType() == pb.EntryConfChange {
		change := &pb.ConfChange{}
		must(proto.Unmarshal(entry.GetData(), change))
		return change
	}
	change := &pb.ConfChangeV2{}
	must(proto.Unmarshal(entry.GetData(), change))
	return change
}
