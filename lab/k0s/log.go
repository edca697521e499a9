package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"time"
)

// The log has the form of logrus's text formatter, on standard error, as in k0s.

func logInfo(component, format string, values ...any) {
	logLine("info", component, format, values)
}

func logError(component, format string, values ...any) {
	logLine("error", component, format, values)
}

func logLine(level, component, format string, values []any) {
	fmt.Fprintf(os.Stderr, "time=%q level=%s msg=%q component=%s\n",
		time.Now().Format("2006-01-02 15:04:05"), level, fmt.Sprintf(format, values...), component)
}

// logLines logs each line of a child's output until it ends.
func logLines(component, stream string, output io.Reader) {
	lines := bufio.NewReaderSize(output, 16*1024)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		fmt.Fprintf(os.Stderr, "time=%q level=info msg=%q component=%s stream=%s\n",
			time.Now().Format("2006-01-02 15:04:05"), line, component, stream)
	}
}
