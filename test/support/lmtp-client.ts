export * from '../../src/cli/demo/lmtp-client.ts';
