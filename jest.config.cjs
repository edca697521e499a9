/**
 * Unit and gRPC tests require only Node. tests/kube runs an API server of the lab's cache.
 * tests/nix requires `nix`. tests/lab requires the lab, which installs Nix (lab/run).
 */
const { env, stderr } = process;

// The seed of the samples (tests/selection.ts). Workers inherit it, so all files have the same
// seed.
if (env.TEST_SEED === undefined && env.TEST_SOAK !== "1") {
  env.TEST_SEED = String(Math.floor(Math.random() * 1_000_000));
  stderr.write(`rows by TEST_SEED=${env.TEST_SEED}\n`);
}

const transform = {
  "^.+\\.ts$": [
    "@swc/jest",
    { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
  ],
};
/** @kubernetes/client-node and what it imports. Jest must compile ES modules. */
const ES_MODULES = [
  "@kubernetes/client-node",
  "agent-base",
  "jose",
  "js-yaml",
  "oauth4webapi",
  "openid-client",
  "socks-proxy-agent",
];
const modules = {
  transform: { ...transform, "\\.js$": ["@swc/jest", { module: { type: "commonjs" } }] },
  transformIgnorePatterns: [`/node_modules/(?!(${ES_MODULES.join("|")})/)`],
};
const project = (name, more = {}) => ({
  displayName: name,
  testMatch: [`<rootDir>/tests/${name}/**/*.test.ts`],
  transform,
  testEnvironment: "node",
  modulePathIgnorePatterns: ["<rootDir>/bin"],
  ...more,
});
module.exports = {
  testSequencer: "<rootDir>/tests/sequencer.mjs",
  projects: [
    project("unit", modules),
    project("scripts"),
    project("grpc", { setupFilesAfterEnv: ["<rootDir>/tests/grpc/setup.ts"] }),
    project("kube", { setupFilesAfterEnv: ["<rootDir>/tests/kube/setup.ts"] }),
    project("nix", { setupFilesAfterEnv: ["<rootDir>/tests/nix/setup.ts"] }),
    project("lab", { setupFilesAfterEnv: ["<rootDir>/tests/lab/setup.ts"] }),
  ],
};
