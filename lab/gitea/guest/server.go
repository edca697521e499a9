package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

type server struct {
	store *store
	// Path of `git`.
	git string
}

type object = map[string]any

func newServer(s *store) http.Handler {
	git, err := exec.LookPath("git")
	if err != nil {
		git = "git"
	}
	here := &server{s, git}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /api/healthz", func(writer http.ResponseWriter, _ *http.Request) {
		answer(writer, http.StatusOK, object{"status": "pass"})
	})
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET /api/v1/user":                                    here.user,
		"GET /api/v1/orgs/{owner}":                            here.organization,
		"POST /api/v1/orgs":                                   here.createOrganization,
		"POST /api/v1/user/repos":                             here.createRepository,
		"POST /api/v1/orgs/{owner}/repos":                     here.createRepository,
		"GET /api/v1/repos/{owner}/{name}":                    here.repository,
		"GET /api/v1/repos/{owner}/{name}/branches/{branch}":  here.branch,
		"GET /api/v1/repos/{owner}/{name}/compare/{revision}": here.compare,
		"/{owner}/{name}/":                                    here.backend,
	} {
		routes.HandleFunc(pattern, here.authenticated(handler))
	}
	return routes
}

func (s *server) authenticated(next http.HandlerFunc) http.HandlerFunc {
	return func(writer http.ResponseWriter, request *http.Request) {
		user, password, given := request.BasicAuth()
		if !given || !s.store.accepts(user, password) {
			writer.Header().Set("WWW-Authenticate", `Basic realm="Gitea"`)
			answer(writer, http.StatusUnauthorized, object{"message": "invalid username or password"})
			return
		}
		for _, name := range []string{"owner", "name"} {
			value := request.PathValue(name)
			if value != "" && !plainName.MatchString(value) {
				answer(writer, http.StatusNotFound, object{"message": "not found"})
				return
			}
		}
		next(writer, request)
	}
}

func (s *server) user(writer http.ResponseWriter, request *http.Request) {
	user, _, _ := request.BasicAuth()
	answer(writer, http.StatusOK, object{"login": user, "is_admin": true})
}

func (s *server) organization(writer http.ResponseWriter, request *http.Request) {
	owner := request.PathValue("owner")
	if s.store.exists(owner) || !isThere(s.store.owner(owner)) {
		answer(writer, http.StatusNotFound, object{"message": "organization does not exist"})
		return
	}
	answer(writer, http.StatusOK, object{"username": owner})
}

func (s *server) createOrganization(writer http.ResponseWriter, request *http.Request) {
	var wanted struct {
		Username string `json:"username"`
	}
	if json.NewDecoder(request.Body).Decode(&wanted) != nil ||
		!plainName.MatchString(wanted.Username) {
		answer(writer, http.StatusUnprocessableEntity, object{"message": "invalid organization"})
		return
	}
	if isThere(s.store.owner(wanted.Username)) {
		// As routers/api/v1/org/org.go of Gitea.
		answer(writer, http.StatusUnprocessableEntity, object{"message": "user already exists"})
		return
	}
	if err := os.MkdirAll(s.store.owner(wanted.Username), 0o700); err != nil {
		answer(writer, http.StatusInternalServerError, object{"message": err.Error()})
		return
	}
	answer(writer, http.StatusCreated, object{"username": wanted.Username})
}

func (s *server) createRepository(writer http.ResponseWriter, request *http.Request) {
	wanted := struct {
		Name          string `json:"name"`
		DefaultBranch string `json:"default_branch"`
	}{DefaultBranch: "main"}
	owner := request.PathValue("owner")
	if owner == "" {
		owner, _, _ = request.BasicAuth()
	}
	if json.NewDecoder(request.Body).Decode(&wanted) != nil || !plainName.MatchString(wanted.Name) ||
		!plainName.MatchString(wanted.DefaultBranch) {
		answer(writer, http.StatusUnprocessableEntity, object{"message": "invalid repository"})
		return
	}
	switch {
	case !isThere(s.store.owner(owner)):
		answer(writer, http.StatusNotFound, object{"message": "owner does not exist"})
	case isThere(s.store.repository(owner, wanted.Name)):
		message := object{"message": "The repository with the same name already exists."}
		answer(writer, http.StatusConflict, message)
	default:
		if err := s.store.createRepository(owner, wanted.Name, wanted.DefaultBranch); err != nil {
			answer(writer, http.StatusInternalServerError, object{"message": err.Error()})
			return
		}
		answer(writer, http.StatusCreated, s.describe(owner, wanted.Name))
	}
}

func (s *server) describe(owner, name string) object {
	path := s.store.repository(owner, name)
	head := s.store.output(path, "symbolic-ref", "--short", "HEAD")
	return object{"full_name": owner + "/" + name, "name": name, "private": true,
		"default_branch": head, "empty": s.store.output(path, "rev-parse", "--verify", "HEAD") == ""}
}

func (s *server) repository(writer http.ResponseWriter, request *http.Request) {
	owner, name := request.PathValue("owner"), request.PathValue("name")
	if !isThere(s.store.repository(owner, name)) {
		answer(writer, http.StatusNotFound, object{"message": "not found"})
		return
	}
	answer(writer, http.StatusOK, s.describe(owner, name))
}

func (s *server) branch(writer http.ResponseWriter, request *http.Request) {
	name := request.PathValue("branch")
	path := s.store.repository(request.PathValue("owner"), request.PathValue("name"))
	commit := s.store.output(path, "rev-parse", "--verify", "refs/heads/"+name)
	if commit == "" {
		answer(writer, http.StatusNotFound, object{"message": "branch does not exist"})
		return
	}
	answer(writer, http.StatusOK, object{"name": name, "commit": object{"id": commit}})
}

func (s *server) compare(writer http.ResponseWriter, request *http.Request) {
	base, head, found := strings.Cut(request.PathValue("revision"), "...")
	path := s.store.repository(request.PathValue("owner"), request.PathValue("name"))
	count := ""
	if found && plainName.MatchString(base) && plainName.MatchString(head) {
		count = s.store.output(path, "rev-list", "--count", base+".."+head)
	}
	commits, err := strconv.Atoi(count)
	if err != nil {
		answer(writer, http.StatusNotFound, object{"message": "no such commits"})
		return
	}
	answer(writer, http.StatusOK, object{"total_commits": commits})
}

// backend serves Git. It finds OWNER/NAME and OWNER/NAME.git.
func (s *server) backend(writer http.ResponseWriter, request *http.Request) {
	owner, name := request.PathValue("owner"), strings.TrimSuffix(request.PathValue("name"), ".git")
	if !isThere(s.store.repository(owner, name)) {
		answer(writer, http.StatusNotFound, object{"message": "not found"})
		return
	}
	prefix := "/" + request.PathValue("owner") + "/" + request.PathValue("name")
	inside := strings.TrimPrefix(request.URL.Path, prefix)
	rewritten := request.Clone(request.Context())
	rewritten.URL.Path = "/" + strings.ToLower(owner+"/"+name) + ".git" + inside
	// CGI has no chunked bodies, and Git sends large packs so.
	if rewritten.ContentLength < 0 {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		rewritten.Body = io.NopCloser(bytes.NewReader(body))
		rewritten.ContentLength, rewritten.TransferEncoding = int64(len(body)), nil
	}
	user, _, _ := request.BasicAuth()
	handler := &cgi.Handler{
		Path: s.git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + s.store.repositories, "GIT_HTTP_EXPORT_ALL=1",
			"REMOTE_USER=" + user, "GIT_PROTOCOL=" + request.Header.Get("Git-Protocol")},
	}
	handler.ServeHTTP(writer, rewritten)
}

func answer(writer http.ResponseWriter, status int, body object) {
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(status)
	_ = json.NewEncoder(writer).Encode(body)
}
