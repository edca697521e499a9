/** Where the program looks for the site file, from the user's project and not from this package. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import * as settings from "@pulumi/pulumi/runtime/settings";
import { loadSite, projectDirectory } from "../../../components/project";
import { documented } from "../../troubleshooting";

const SITE = "flake: ..\nhypervisors: {}\nvms: {}\n";
const directory = process.cwd();
let root: string;

function write(path: string, text = ""): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** Configuration of stack `dev`. */
function configure(config: Record<string, string>): void {
  pulumi.runtime.setAllConfig(config);
}

/** Older language hosts do not pass it. Then the SDK has a text that is no path. */
const passed = jest.spyOn(settings, "getRootDirectory");

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "pulumi-microvm-project-")));
  write("Pulumi.yaml", "name: my-site\n");
  write("program/deep/index.js");
  process.chdir(join(root, "program", "deep"));
  await pulumi.runtime.setMocks(
    { newResource: () => ({ id: "x", state: {} }), call: () => ({}) },
    "my-site",
    "dev",
  );
  passed.mockReturnValue("rootDirectory");
  configure({});
});
afterEach(() => {
  process.chdir(directory);
  rmSync(root, { recursive: true });
});

describe("the project's directory", () => {
  test("is what the language host passes", () => {
    passed.mockReturnValue("/srv/site");
    expect(projectDirectory()).toBe("/srv/site");
  });

  test("is otherwise the nearest parent with a Pulumi.yaml", () => {
    expect(projectDirectory()).toBe(root);
    write("program/Pulumi.yml");
    expect(projectDirectory()).toBe(join(root, "program"));
  });
});

describe("the site file", () => {
  test("is stacks/STACK.yaml of the project", () => {
    write("stacks/dev.yaml", SITE);
    expect(loadSite()).toMatchObject({ flake: root, vms: [] });
  });

  test("is `site` of the stack's configuration, relative to the project", () => {
    write("stacks/dev.yaml", SITE);
    write("sites/eu/dev.yaml", SITE);
    configure({ "my-site:site": "sites/eu/dev.yaml" });
    expect(loadSite()).toMatchObject({ flake: join(root, "sites") });
  });

  test("can be named by a program", () => {
    write("other/site.yaml", SITE);
    expect(loadSite("other/site.yaml")).toMatchObject({ flake: root });
  });

  test("is missing: the error names the files of other stacks, and what to do", () => {
    write("stacks/prod.yaml", SITE);
    write("stacks/README.md");
    expect(() => loadSite()).toThrow(
      "stack dev has no site file: stacks/dev.yaml does not exist. stacks has prod.yaml. " +
        "Create it,",
    );
    expect(() => loadSite()).toThrow(documented("no site file"));
  });

  test("is missing, and there is no other: the error does not mention any", () => {
    expect(() => loadSite()).toThrow("stacks/dev.yaml does not exist. Create it, select");
  });

  test("has faults: the error is Pulumi's own, which is shown without a stack trace", () => {
    write("stacks/dev.yaml", "flake: 1\n");
    const load = (): unknown => loadSite();
    expect(load).toThrow(pulumi.RunError);
    expect(load).toThrow(/stacks\/dev\.yaml:1:8 flake: /);
  });
});
