/**
 * Chooses the lab of a Jest worker, before a test file reads the environment. Workers run at the
 * same time, so each has a lab and a stack of its own. lab/suite.ts starts them.
 */
const worker = Number(process.env["JEST_WORKER_ID"] ?? "1");
if (worker > 1) {
  const directory = process.env["PULUMI_MICROVM_LAB_DIRS"]?.split(":")[worker - 1];
  if (directory === undefined) throw new Error("one lab is up: run Jest with --runInBand");
  process.env["PULUMI_MICROVM_LAB_DIR"] = directory;
  process.env["PULUMI_MICROVM_LAB_STACK"] = `lab${worker}`;
}

// The engine, SSH and virtual machines are slow.
jest.setTimeout(300_000);
