package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Gitea, or the lab's stand-in of it. The init containers of its chart write the configuration and
// make the administrator; here this process does that, by the same commands.

const giteaPort = 3000

func prepareGitea(r *podRun, path string, values map[string]string) (launch, error) {
	data := r.volume()
	if err := os.MkdirAll(data, 0o700); err != nil {
		return launch{}, err
	}
	config := filepath.Join(data, "app.ini")
	// Gitea adds secrets of its own to an existing file.
	if !exists(config) {
		text := giteaConfig(r.pod.Metadata.Namespace, data, path)
		if err := writeFile(config, []byte(text), 0o600); err != nil {
			return launch{}, err
		}
	}
	environment := r.processEnvironment(map[string]string{"USER": "root"})
	gitea := func(words ...string) error {
		command := exec.Command(path, append(words, "--config", config)...)
		command.Env, command.Dir = environment, data
		output, err := command.CombinedOutput()
		if err != nil {
			return errors.New(lastLine(string(output)))
		}
		return nil
	}
	if err := gitea("migrate"); err != nil {
		return launch{}, fmt.Errorf("gitea migrate: %w", err)
	}
	if user := values["GITEA_ADMIN_USERNAME"]; user != "" {
		if err := ensureAdministrator(gitea, user, values); err != nil {
			return launch{}, err
		}
	}
	return launch{args: []string{"web", "--config", config}, environment: environment,
		ready: "http://127.0.0.1:" + strconv.Itoa(giteaPort) + "/api/healthz"}, nil
}

func ensureAdministrator(
	gitea func(words ...string) error, user string, values map[string]string,
) error {
	password := values["GITEA_ADMIN_PASSWORD"]
	err := gitea("admin", "user", "create", "--admin", "--username", user, "--password", password,
		"--email", "gitea@local.domain", "--must-change-password=false")
	if err == nil {
		return nil
	}
	if !strings.Contains(err.Error(), "already exists") {
		return fmt.Errorf("gitea admin user create: %w", err)
	}
	if values["GITEA_ADMIN_PASSWORD_MODE"] != "keepUpdated" {
		return nil
	}
	err = gitea("admin", "user", "change-password", "--username", user, "--password", password,
		"--must-change-password=false")
	if err != nil {
		return fmt.Errorf("gitea admin user change-password: %w", err)
	}
	return nil
}

// volume is the directory of the pod's first claim. Like a local volume it stays on this node.
func (r *podRun) volume() string {
	for _, volume := range r.pod.Spec.Volumes {
		if claim := volume.PersistentVolumeClaim.ClaimName; claim != "" {
			name := r.pod.Metadata.Namespace + "_" + claim
			return filepath.Join(r.agent.vars.DataDir, "lab-volumes", name)
		}
	}
	return filepath.Join(r.directory, "data")
}

func giteaConfig(namespace, data, program string) string {
	static := ""
	if assets := filepath.Join(filepath.Dir(program), "assets"); exists(assets) {
		static = "STATIC_ROOT_PATH = " + assets + "\n"
	}
	return fmt.Sprintf(`RUN_MODE = prod
RUN_USER = root
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
WORK_PATH = %[1]s

[server]
HTTP_ADDR = 0.0.0.0
HTTP_PORT = %[2]d
ROOT_URL = http://gitea-http.%[3]s.svc.cluster.local:%[2]d/
APP_DATA_PATH = %[1]s/data
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_START_SERVER = false
%[4]s
[database]
DB_TYPE = sqlite3
PATH = %[1]s/data/gitea.db

[repository]
ROOT = %[1]s/data/gitea-repositories

[security]
INSTALL_LOCK = true

[session]
PROVIDER = memory

[cache]
ADAPTER = memory

[indexer]
ISSUE_INDEXER_TYPE = db

[log]
MODE = console
LEVEL = Warn
`, data, giteaPort, namespace, static)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
