// Command gitea stands in for Gitea (https://gitea.com) in the lab's guests, which have no Node:
// with the commands and the keys of app.ini that lab/k0s/gitea.go uses, Git over HTTP by
// `git http-backend`, and the calls of the API that make and read a repository.
//
// Left out: web pages, SSH, LFS, teams, protected branches, tokens, visibility (a repository is
// private to the users of this server), and everything else. `npm run lab` has the real one.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	var names []string
	for len(words) > 0 && !strings.HasPrefix(words[0], "-") {
		names, words = append(names, words[0]), words[1:]
	}
	flags := flag.NewFlagSet("gitea", flag.ContinueOnError)
	config := flags.String("config", "", "")
	user := flags.String("username", "", "")
	password := flags.String("password", "", "")
	flags.String("email", "", "")
	flags.Bool("admin", false, "")
	flags.Bool("must-change-password", false, "")
	if err := flags.Parse(words); err != nil {
		return err
	}
	settings, err := readSettings(*config)
	if err != nil {
		return err
	}
	store, err := newStore(settings)
	if err != nil {
		return err
	}
	switch command := strings.Join(names, " "); command {
	case "migrate":
		return nil
	case "admin user create":
		if store.exists(*user) {
			return errors.New("CreateUser: user already exists [name: " + *user + "]")
		}
		return store.setPassword(*user, *password)
	case "admin user change-password":
		return store.setPassword(*user, *password)
	case "web":
		server := &http.Server{
			Addr:              settings["HTTP_ADDR"] + ":" + settings["HTTP_PORT"],
			Handler:           newServer(store),
			ReadHeaderTimeout: 10 * time.Second,
		}
		return server.ListenAndServe()
	default:
		return fmt.Errorf("the lab's Gitea has no command %q", command)
	}
}

// readSettings ignores sections: the keys that are used have different names.
func readSettings(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	settings := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), "="); found {
			settings[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return settings, nil
}
