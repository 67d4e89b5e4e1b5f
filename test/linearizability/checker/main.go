// Says whether a history of the metastore is linearizable.
//
// Usage: checker HISTORY. One operation a line, as JSON. Exit code 1: it is not; 2: it was not decided in
// time. Of the first partition that is not, a picture is left in HISTORY.html.
package main

import (
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	perPartition = 2 * time.Minute
	shownOps     = 12
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: checker HISTORY")
	}
	history, err := readHistory(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for _, number := range slices.Sorted(maps.Keys(history)) {
		result, info := porcupine.CheckOperationsVerbose(model(), toldOf(history[number]), perPartition)
		switch result {
		case porcupine.Unknown:
			fmt.Printf("partition %d is undecided after %v\n", number, perPartition)
			os.Exit(2)
		case porcupine.Illegal:
			fmt.Printf("partition %d is not linearizable\n", number)
			explain(history[number], info)
			if err := porcupine.VisualizePath(model(), info, os.Args[1]+".html"); err != nil {
				log.Print(err)
			}
			os.Exit(1)
		}
	}
	fmt.Println("linearizable")
}

func toldOf(history []operation) []porcupine.Operation {
	told := make([]porcupine.Operation, 0, len(history))
	for _, o := range history {
		told = append(told, porcupine.Operation{ClientId: o.Client, Input: o, Call: o.Call, Return: o.end()})
	}
	return told
}

// explain prints how far the longest order goes, and what did not fit behind it.
func explain(history []operation, info porcupine.LinearizationInfo) {
	var longest []porcupine.Operation
	for _, orders := range info.PartialLinearizationsOperations() {
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	state := partition{}
	placed := map[int64]bool{}
	for _, o := range longest {
		_, state = state.step(o.Input.(operation))
		placed[o.Call] = true
	}
	fmt.Printf("%d of %d operations have an order, then: %s; what is left:\n", len(longest), len(history), state)
	left := slices.DeleteFunc(slices.Clone(history), func(o operation) bool { return placed[o.Call] })
	slices.SortFunc(left, func(a, b operation) int { return int(a.Call - b.Call) })
	for _, o := range left[:min(len(left), shownOps)] {
		fmt.Println(o)
	}
}
