package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

type controllerFlags struct {
	common       commonFlags
	worker       workerFlags
	enableWorker bool
	noTaints     bool
	// Time in which the API server ends its watches and stops.
	apiStopTimeout time.Duration
	disabled       listFlag
}

// The components that can be disabled (pkg/config/cli.go).
var components = []string{
	"applier-manager", "autopilot", "control-api", "coredns", "csr-approver", "endpoint-reconciler",
	"helm", "konnectivity-server", "kube-controller-manager", "kube-proxy", "kube-scheduler",
	"metrics-server", "network-provider", "node-role", "system-rbac", "update-prober",
	"windows-node", "worker-config",
}

func (f *controllerFlags) add(flags *flag.FlagSet) {
	f.common.add(flags)
	f.worker.add(flags)
	flags.BoolVar(&f.enableWorker, "enable-worker", false, "")
	flags.BoolVar(&f.noTaints, "no-taints", false, "")
	flags.Var(&f.disabled, "disable-components", "")
	flags.String("feature-gates", "", "")
	flags.String("kube-controller-manager-extra-args", "", "")
	flags.DurationVar(&f.apiStopTimeout, "api-server-stop-timeout", apiStopDefault, "")
	for _, name := range []string{"enable-k0s-cloud-provider", "enable-metrics-scraper"} {
		flags.Bool(name, false, "")
	}
}

// controller is one running controller. Its parts stop in the reverse order of their start.
type controller struct {
	flags  controllerFlags
	vars   *k0sVars
	config *clusterConfig
	client *kubeClient
	leader *elector
	count  int

	stops []func()
	mutex sync.Mutex
	leave bool
	// Ends all parts, but not the process.
	cancel context.CancelFunc
}

// readyTimeout is that of pkg/component/manager/manager.go. After it k0s ends with an error.
const readyTimeout = 2 * time.Minute

func runController(ctx context.Context, args []string) error {
	c := &controller{count: 1}
	words, err := parseFlags("controller", args, 1, c.flags.add)
	if err != nil {
		return err
	}
	for _, name := range c.flags.disabled {
		if !slices.Contains(components, name) {
			return fmt.Errorf("unknown component %s", name)
		}
	}
	token := tokenSource{file: c.flags.worker.tokenFile}
	if len(words) == 1 {
		token.argument = words[0]
	}
	if err := token.check(); err != nil {
		return err
	}
	if c.vars, err = newVars(c.flags.common); err != nil {
		return err
	}
	if c.config, err = loadConfig(c.vars.StartupConfigPath); err != nil {
		return fmt.Errorf("failed to load node config: %w", err)
	}
	if err := c.config.validate(); err != nil {
		return err
	}
	if err := makeDirectories(map[string]os.FileMode{
		c.vars.DataDir: 0o755, c.vars.RunDir: 0o755, c.vars.BinDir: 0o755,
		c.vars.CertRootDir: 0o751, c.vars.EtcdCertDir: 0o711, c.vars.EtcdDataDir: 0o700,
		c.vars.ManifestsDir: 0o755,
	}); err != nil {
		return err
	}
	cleanup, err := writeRuntimeConfig(c.vars, c.config.effective)
	if err != nil {
		return err
	}
	defer cleanup()
	logInfo("k0s", "the lab's stand-in reports version %s; its Kubernetes is v1.36.3", version())

	running, cancel := context.WithCancel(ctx)
	defer cancel()
	c.cancel = cancel
	err = c.start(running, token)
	if err == nil {
		<-running.Done()
	}
	c.stopAll()
	if err != nil && !c.mustLeave() && ctx.Err() == nil {
		return err
	}
	if ctx.Err() == nil {
		logInfo("k0s", "Awaiting process shutdown")
		<-ctx.Done()
	}
	logInfo("k0s", "Shutting down process")
	return nil
}

// start has the order of cmd/controller/controller.go: what comes later shows that the earlier
// parts are ready. So `k0s status` succeeds only after the API answers.
func (c *controller) start(ctx context.Context, token tokenSource) error {
	var join *joinClient
	if !exists(filepath.Join(c.vars.EtcdDataDir, "member", "snap", "db")) {
		text, err := token.read()
		if err != nil {
			return err
		}
		if text != "" {
			if join, err = newJoinClient(text); err == nil {
				err = join.fetchCA(ctx, c.vars)
			}
			if err != nil {
				return fmt.Errorf("failed to join controller: %w", err)
			}
		}
	}
	if err := createCertificates(c.vars, c.config); err != nil {
		return err
	}
	if err := c.startControlPlane(ctx, join); err != nil {
		return fmt.Errorf("failed to start controller node components: %w", err)
	}
	if err := c.startCluster(ctx); err != nil {
		return fmt.Errorf("failed to start cluster components: %w", err)
	}
	if c.flags.enableWorker {
		c.startEmbeddedWorker(ctx)
	}
	return nil
}

// startControlPlane starts what k0s calls node components.
func (c *controller) startControlPlane(ctx context.Context, join *joinClient) error {
	if err := c.startEtcd(ctx, join); err != nil {
		return err
	}
	grace := c.flags.apiStopTimeout
	args := apiServerArgs(c.vars, c.config, grace)
	server, err := supervise(c.vars, "kube-apiserver", args, grace)
	if err != nil {
		return err
	}
	c.onStop(server.stop)
	if c.client, err = kubeClientFromFile(c.vars.AdminKubeConfigPath); err != nil {
		return err
	}
	if err := awaitReady(ctx, "APIServer", c.apiIsReady); err != nil {
		return err
	}
	c.startElector(newElector(c.client, "k0s-ctrl-"+hostName(), c.vars.InvocationID))
	c.leader = newElector(c.client, "k0s-endpoint-reconciler", c.vars.InvocationID)
	c.startElector(c.leader)
	c.inBackground(c.countControllers)
	joins, err := startJoinServer(c.vars, c.config, c.client)
	if err != nil {
		return err
	}
	c.onStop(joins.stop)
	status := k0sStatus{Role: "controller", Workloads: c.flags.enableWorker,
		ClusterConfig: c.config.effective}
	answers, err := startStatus(c.vars, status, filepath.Join(c.vars.RunDir, directKubeletConfig))
	if err != nil {
		return err
	}
	c.onStop(answers.stop)
	return nil
}

func (c *controller) startEtcd(ctx context.Context, join *joinClient) error {
	var cluster string
	if join != nil {
		var err error
		if cluster, err = join.joinEtcd(ctx, c.vars, c.config); err != nil {
			return err
		}
	}
	if err := createEtcdCertificates(c.vars, c.config); err != nil {
		return fmt.Errorf("failed to create etcd certs: %w", err)
	}
	etcd, err := supervise(c.vars, "etcd", etcdArgs(c.vars, c.config, cluster), defaultGrace)
	if err != nil {
		return err
	}
	c.onStop(func() {
		if c.mustLeave() {
			if err := leaveEtcd(c.vars); err != nil {
				logError("etcd", "%v", err)
			} else {
				close(etcd.endsItself)
			}
		}
		etcd.stop()
	})
	return awaitReady(ctx, "Etcd", func(context.Context) error { return etcdIsReady(c.vars) })
}

// startCluster starts what k0s calls cluster components.
func (c *controller) startCluster(ctx context.Context) error {
	if err := applyManifests(ctx, c.client); err != nil {
		return err
	}
	workers := newElector(c.client, "k0s-worker-config-"+minor(), c.vars.InvocationID)
	c.startElector(workers)
	profiles := &workerProfiles{client: c.client, config: c.config, leader: workers}
	c.inBackground(profiles.run)
	members := &memberReconciler{
		vars: c.vars, config: c.config, client: c.client, leader: c.leader,
		controllers: c.controllers, shutdown: c.shutdown,
		resync:     secondsFromEnvironment("LAB_K0S_RESYNC_SECONDS", 10),
		deadMember: secondsFromEnvironment("LAB_K0S_DEAD_MEMBER_SECONDS", 300),
	}
	err := retry(ctx, 5, 3*time.Second, 3*time.Second, func() error {
		return members.announce(ctx)
	})
	if err != nil {
		return fmt.Errorf("failed to create EtcdMember object for this controller: %w", err)
	}
	logInfo("etcd-members", "%s is a voting member", c.config.memberName())
	c.inBackground(members.run)
	c.inBackground(func(background context.Context) { approveServing(background, c.client) })
	for name, args := range map[string][]string{
		"kube-scheduler":          schedulerArgs(c.vars, c.config),
		"kube-controller-manager": controllerManagerArgs(c.vars, c.config),
	} {
		program, err := supervise(c.vars, name, args, defaultGrace)
		if err != nil {
			return err
		}
		c.onStop(program.stop)
	}
	return nil
}
