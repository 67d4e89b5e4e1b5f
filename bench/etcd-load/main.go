// Load on an etcd cluster: puts of 256 bytes by many clients at once, one after the other each. Prints one
// JSON object. The connections go to the leader alone, which is etcd's fastest arrangement.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

type result struct {
	Commits      int     `json:"commits"`
	Seconds      float64 `json:"seconds"`
	P50Ms        float64 `json:"p50Ms"`
	P99Ms        float64 `json:"p99Ms"`
	LongestGapMs float64 `json:"longestGapMs"`
	CPUSeconds   float64 `json:"cpuSeconds"`
}

func main() {
	endpoints := flag.String("endpoints", "", "comma separated")
	writers := flag.Int("writers", 1, "goroutines")
	connections := flag.Int("connections", 1, "gRPC connections they share")
	seconds := flag.Float64("seconds", 5, "of load that counts")
	warmup := flag.Float64("warmup", 1, "seconds of load before")
	flag.Parse()
	if err := run(strings.Split(*endpoints, ","), *writers, *connections, *warmup, *seconds); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(endpoints []string, writers, connections int, warmup, seconds float64) error {
	leader, err := leaderOf(endpoints)
	if err != nil {
		return err
	}
	clients := make([]*clientv3.Client, connections)
	for at := range clients {
		if clients[at], err = connect(leader); err != nil {
			return err
		}
		defer clients[at].Close()
	}
	begun := time.Now()
	from := begun.Add(time.Duration(warmup * float64(time.Second)))
	until := from.Add(time.Duration(seconds * float64(time.Second)))
	ends := make([][]time.Time, writers)
	took := make([][]time.Duration, writers)
	var cpuBefore float64
	var group sync.WaitGroup
	for writer := range writers {
		group.Add(1)
		go func() {
			defer group.Done()
			client := clients[writer%connections]
			value := strings.Repeat("v", 256)
			for number := 0; ; number++ {
				start := time.Now()
				if start.After(until) {
					return
				}
				key := fmt.Sprintf("bench/%06d/%010d", writer, number)
				if _, err := client.Put(context.Background(), key, value); err != nil {
					fmt.Fprintln(os.Stderr, err)
					continue
				}
				end := time.Now()
				if end.After(from) && end.Before(until) {
					took[writer] = append(took[writer], end.Sub(start))
					ends[writer] = append(ends[writer], end)
				}
			}
		}()
	}
	time.Sleep(time.Until(from))
	cpuBefore = cpuSeconds()
	fmt.Println("measuring")
	time.Sleep(time.Until(until))
	cpu := cpuSeconds() - cpuBefore
	fmt.Println("measured")
	group.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	if len(all) == 0 {
		return fmt.Errorf("nothing was committed")
	}
	return json.NewEncoder(os.Stdout).Encode(result{
		Commits:      len(all),
		Seconds:      seconds,
		P50Ms:        ms(all[len(all)/2]),
		P99Ms:        ms(all[len(all)*99/100]),
		LongestGapMs: longestGapMs(slices.Concat(ends...), from, until),
		CPUSeconds:   cpu,
	})
}

func connect(endpoint string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 10 * time.Second})
}

func leaderOf(endpoints []string) (string, error) {
	for _, endpoint := range endpoints {
		client, err := connect(endpoint)
		if err != nil {
			return "", err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		status, err := client.Status(ctx, endpoint)
		cancel()
		if err == nil && status.Leader == status.Header.MemberId {
			return endpoint, nil
		}
	}
	return "", fmt.Errorf("no member leads")
}

func longestGapMs(ends []time.Time, from, until time.Time) float64 {
	slices.SortFunc(ends, func(left, right time.Time) int { return left.Compare(right) })
	longest := time.Duration(0)
	before := from
	for _, end := range append(ends, until) {
		longest = max(longest, end.Sub(before))
		before = end
	}
	return ms(longest)
}

func ms(duration time.Duration) float64 { return float64(duration.Microseconds()) / 1000 }

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return seconds(usage.Utime) + seconds(usage.Stime)
}

func seconds(value syscall.Timeval) float64 {
	return float64(value.Sec) + float64(value.Usec)/1e6
}
