/**
 * The schema as the engine reads it, and SDKs that its generators make of it. Only the soak run
 * compiles them, which takes minutes.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { SOAK } from "../selection";
import { PROJECT, lab } from "./lab";
import { ok } from "./userRepository";

const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-sdk-"));
const MODULE = "example.org/sdk";

afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function schema(): Promise<string> {
  const provider = join(PROJECT, "provider", "pulumi-resource-microvm");
  const { code, stdout, text } = await lab(["exec", "pulumi", "package", "get-schema", provider]);
  if (code !== 0) throw new Error(text);
  return stdout;
}

test("pulumi package get-schema prints the schema, with its types and secrets", async () => {
  const { types, resources } = z
    .object({
      types: z.record(z.string(), z.unknown()),
      resources: z.record(z.string(), z.unknown()),
    })
    .parse(JSON.parse(await schema()));
  expect(Object.keys(resources)).toContain("microvm:index:MicroVm");
  expect(types["microvm:index:OnDelete"]).toMatchObject({
    enum: [{ value: "retain" }, { value: "trash" }, { value: "delete" }],
  });
});

(SOAK ? test : test.skip)(
  "the SDKs for Go and Python compile",
  async () => {
    await ok(lab(["sdk", directory, MODULE], await schema()));
    const go = join(directory, "go");
    const own = readFileSync(join(PROJECT, "lab", "sdk", "go.mod"), "utf8");
    writeFileSync(join(go, "go.mod"), own.replace(/^module .*$/m, `module ${MODULE}`));
    copyFileSync(join(PROJECT, "lab", "sdk", "go.sum"), join(go, "go.sum"));
    writeFileSync(join(go, "program_test.go"), USES_IT);
    const env = { ...process.env, CGO_ENABLED: "0" };
    execFileSync("go", ["vet", "-mod=mod", "./..."], { cwd: go, env });
    execFileSync("python3", ["-m", "compileall", "-q", join(directory, "python")]);
  },
  3_600_000,
);

/** Enums and nested types have the names that a program of a user would have. */
const USES_IT = `package main

import (
	"${MODULE}/microvm"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func program(ctx *pulumi.Context) error {
	_, err := microvm.NewHypervisor(ctx, "hv1", &microvm.HypervisorArgs{
		Host:   pulumi.String("hv1"),
		Bridge: pulumi.String("br0"),
		Nic:    pulumi.String("eno1"),
		Checks: microvm.CheckModesArgs{Kvm: microvm.CheckModeWarn},
		Wants: microvm.VmWantsArray{microvm.VmWantsArgs{
			Name:      pulumi.String("kw1"),
			MemoryMiB: pulumi.Int(192),
		}},
	})
	return err
}
`;
