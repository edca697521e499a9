package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// The flags that nearly all commands of k0s have.
type commonFlags struct {
	dataDir, statusSocket, config string
}

func (c *commonFlags) add(flags *flag.FlagSet) {
	flags.StringVar(&c.dataDir, "data-dir", "", "")
	flags.StringVar(&c.statusSocket, "status-socket", "", "")
	flags.StringVar(&c.config, "config", "", "")
	flags.StringVar(&c.config, "c", "", "")
	// Flags that only change the log.
	flags.Bool("debug", false, "")
	flags.Bool("d", false, "")
	flags.Bool("verbose", false, "")
	flags.Bool("v", false, "")
}

// parseFlags parses flags and at most `most` words, in any order, as cobra does. Failures have
// cobra's wording.
func parseFlags(
	name string, args []string, most int, add func(*flag.FlagSet),
) ([]string, error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	if add != nil {
		add(flags)
	}
	var words []string
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return nil, errors.New(cobraWording(err.Error()))
		}
		args = flags.Args()
		if len(args) > 0 {
			words = append(words, args[0])
			args = args[1:]
		}
	}
	if len(words) > most {
		if most == 0 {
			return nil, fmt.Errorf("unknown command %q for %q", words[0], "k0s "+name)
		}
		return nil, fmt.Errorf("accepts at most %d arg(s), received %d", most, len(words))
	}
	return words, nil
}

func cobraWording(text string) string {
	if name, found := strings.CutPrefix(text, "flag provided but not defined: -"); found {
		return "unknown flag: --" + name
	}
	if name, found := strings.CutPrefix(text, "flag needs an argument: -"); found {
		return "flag needs an argument: --" + name
	}
	return text
}

// A flag whose value is a list. It can be given several times, with commas.
type listFlag []string

func (l *listFlag) String() string { return strings.Join(*l, ",") }

func (l *listFlag) Set(value string) error {
	if value != "" {
		*l = append(*l, strings.Split(value, ",")...)
	}
	return nil
}

func secondsFromEnvironment(name string, fallback int) time.Duration {
	if text := os.Getenv(name); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err == nil && seconds > 0 {
			return time.Duration(seconds * float64(time.Second))
		}
		logError("lab", "ignoring %s=%s: not a number of seconds", name, text)
	}
	return time.Duration(fallback) * time.Second
}

func version() string {
	if text := os.Getenv("LAB_K0S_VERSION"); text != "" {
		return text
	}
	return "v1.36.3+k0s.2"
}

// minor returns the version of Kubernetes as MAJOR.MINOR.
func minor() string {
	parts := strings.SplitN(strings.TrimPrefix(version(), "v"), ".", 3)
	if len(parts) < 2 {
		return "1.36"
	}
	return parts[0] + "." + parts[1]
}
