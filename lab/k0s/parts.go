package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

func (c *controller) onStop(stop func()) { c.stops = append(c.stops, stop) }

func (c *controller) stopAll() {
	c.cancel()
	for _, stop := range slices.Backward(c.stops) {
		stop()
	}
}

// inBackground runs until the part is stopped in its turn.
func (c *controller) inBackground(run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	c.onStop(func() {
		cancel()
		<-done
	})
}

func (c *controller) startElector(e *elector) { c.inBackground(e.run) }

// shutdown stops all parts, as the leader asks for. The process stays until its unit stops it.
func (c *controller) shutdown(leave bool) {
	c.mutex.Lock()
	c.leave = leave
	c.mutex.Unlock()
	c.cancel()
}

func (c *controller) mustLeave() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.leave
}

func (c *controller) controllers() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.count
}

func (c *controller) countControllers(ctx context.Context) {
	for {
		if count, err := activeControllers(ctx, c.client); err == nil {
			c.mutex.Lock()
			c.count = count
			c.mutex.Unlock()
		}
		if !pause(ctx, 10*time.Second) {
			return
		}
	}
}

func (c *controller) apiIsReady(ctx context.Context) error {
	response, err := c.client.send(ctx, "GET", "/readyz", "", nil)
	if err == nil {
		response.Body.Close()
	}
	return err
}

func awaitReady(ctx context.Context, name string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		call, done := context.WithTimeout(ctx, 5*time.Second)
		err := ready(call)
		done()
		if err == nil {
			logInfo("k0s", "%s is ready", name)
			return nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return errors.Join(fmt.Errorf("%s health-check timed out", name), err)
		}
	}
}
