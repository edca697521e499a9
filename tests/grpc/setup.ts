// Plugin processes and key exchanges can be slow on a busy machine.
jest.setTimeout(60_000);
