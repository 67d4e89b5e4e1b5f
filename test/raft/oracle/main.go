// Runs go.etcd.io/raft on commands from stdin, and tells after each what can be seen of it.
//
// A frame is a big-endian uint32 length and text. A request holds one command a line, its answer one
// line for each. test/raft/lockstep does the same with our core and compares the lines.
package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"log"
	"os"
	"strings"
)

const maxFrameBytes = 64 << 20

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	var w *world
	for {
		request, err := readFrame(in)
		if err == io.EOF {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		var answer strings.Builder
		for _, line := range strings.Split(request, "\n") {
			if settings, isNew := strings.CutPrefix(line, "new "); isNew {
				w = newWorld(settings)
				answer.WriteString("new\n")
				continue
			}
			answer.WriteString(w.run(line))
			answer.WriteByte('\n')
		}
		if err := writeFrame(out, answer.String()); err != nil {
			log.Fatal(err)
		}
	}
}

func readFrame(in *bufio.Reader) (string, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return "", err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxFrameBytes {
		log.Fatalf("a frame of %d bytes", size)
	}
	body := make([]byte, size)
	_, err := io.ReadFull(in, body)
	return string(body), err
}

func writeFrame(out *bufio.Writer, text string) error {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(text)))
	if _, err := out.Write(head[:]); err != nil {
		return err
	}
	if _, err := out.WriteString(text); err != nil {
		return err
	}
	return out.Flush()
}
