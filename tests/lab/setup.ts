// The engine, SSH and virtual machines take their time.
jest.setTimeout(300_000);
