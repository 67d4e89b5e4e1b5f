package main

import (
	"fmt"
	"strings"
)

// logger keeps the lines of one command; what raft would stop for becomes a panic.
type logger struct{ world *world }

func (l logger) line(level string, v ...any) {
	l.world.logs = append(l.world.logs, level+" "+fmt.Sprint(v...))
}

// linef leaves out what follows a ConfState: protobuf prints it anew in each build.
func (l logger) linef(level, format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	if before, _, isCut := strings.Cut(line, "not in the ConfState "); isCut {
		line = before + "not in the ConfState"
	}
	l.world.logs = append(l.world.logs, level+" "+line)
}

func (l logger) Debug(v ...any)                   { l.line("DEBUG", v...) }
func (l logger) Debugf(format string, v ...any)   { l.linef("DEBUG", format, v...) }
func (l logger) Info(v ...any)                    { l.line("INFO", v...) }
func (l logger) Infof(format string, v ...any)    { l.linef("INFO", format, v...) }
func (l logger) Warning(v ...any)                 { l.line("WARN", v...) }
func (l logger) Warningf(format string, v ...any) { l.linef("WARN", format, v...) }
func (l logger) Error(v ...any)                   { l.line("ERROR", v...) }
func (l logger) Errorf(format string, v ...any)   { l.linef("ERROR", format, v...) }
func (l logger) Fatal(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l logger) Fatalf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
func (l logger) Panic(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l logger) Panicf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
