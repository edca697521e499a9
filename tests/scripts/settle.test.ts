/** The end of a start: only the runner that was waited for is confirmed. */
import { readFileSync } from "node:fs";
import { storePath, vm } from "./operations";
import { Sandbox } from "./sandbox";

test("a runner that another operator installed in the meantime is not confirmed", () => {
  const box = new Sandbox();
  try {
    const phase = (): string => readFileSync(box.path("state", "vms", "kc1.json"), "utf8");
    box.run("microvm-apply", vm());
    box.run("microvm-settle", vm({ outcome: "confirmed" }));
    const other = vm({ runner: storePath("other"), update: "restart", known: "yes" });
    box.run("microvm-apply", other);
    expect(phase()).toContain('"phase":"switching"');

    const { code, output } = box.run("microvm-settle", vm({ outcome: "confirmed" }));
    expect(code).toBe(1);
    expect(output).toContain(
      `fail operation\tVM kc1 has ${storePath("other")} installed, not ${storePath("runner")}`,
    );
    expect(phase()).toContain('"phase":"switching"');

    expect(box.run("microvm-settle", { ...other, outcome: "confirmed" }).code).toBe(0);
    expect(phase()).toContain('"phase":"ready"');
  } finally {
    box.remove();
  }
});
