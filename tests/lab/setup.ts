// The engine, SSH and virtual machines are slow.
jest.setTimeout(300_000);
