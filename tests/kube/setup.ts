// An API server starts in 10 s, longer on a busy machine.
jest.setTimeout(180_000);
