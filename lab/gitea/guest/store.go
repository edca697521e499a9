package main

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// store has the users, and the repositories as bare ones: OWNER/NAME.git. An owner is a directory.
type store struct{ users, repositories string }

type account struct{ Salt, Hash []byte }

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func newStore(settings map[string]string) (*store, error) {
	s := &store{users: filepath.Join(settings["APP_DATA_PATH"], "users"),
		repositories: settings["ROOT"]}
	for _, directory := range []string{s.users, s.repositories} {
		if err := os.MkdirAll(directory, 0o700); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *store) userFile(name string) string {
	return filepath.Join(s.users, strings.ToLower(filepath.Base(name))+".json")
}

func (s *store) exists(user string) bool { return isThere(s.userFile(user)) }

func (s *store) setPassword(user, password string) error {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return err
	}
	hash, err := hashOf(password, salt)
	if err != nil {
		return err
	}
	text, err := json.Marshal(account{salt, hash})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.repositories, strings.ToLower(user)), 0o700); err != nil {
		return err
	}
	return os.WriteFile(s.userFile(user), text, 0o600)
}

func (s *store) accepts(user, password string) bool {
	text, err := os.ReadFile(s.userFile(user))
	if err != nil {
		return false
	}
	var known account
	if json.Unmarshal(text, &known) != nil {
		return false
	}
	hash, err := hashOf(password, known.Salt)
	return err == nil && subtle.ConstantTimeCompare(hash, known.Hash) == 1
}

func hashOf(password string, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, salt, 10_000, 32)
}

func (s *store) owner(name string) string {
	return filepath.Join(s.repositories, strings.ToLower(name))
}

func (s *store) repository(owner, name string) string {
	return filepath.Join(s.owner(owner), strings.ToLower(name)+".git")
}

func (s *store) createRepository(owner, name, branch string) error {
	path := s.repository(owner, name)
	if err := s.git("", "init", "--quiet", "--bare", "--initial-branch="+branch, path); err != nil {
		return err
	}
	return s.git(path, "config", "http.receivepack", "true")
}

func (s *store) git(directory string, words ...string) error {
	command := exec.Command("git", words...)
	command.Dir = directory
	return command.Run()
}

// output is empty where git fails.
func (s *store) output(directory string, words ...string) string {
	command := exec.Command("git", words...)
	command.Dir = directory
	text, _ := command.Output()
	return strings.TrimSpace(string(text))
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
