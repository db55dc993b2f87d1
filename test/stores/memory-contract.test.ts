import { MemoryStore } from '../../src/stores/memory-store.ts';
import { testStoreContract } from './store-contract.ts';

testStoreContract('memory', () =>
  Promise.resolve({ store: new MemoryStore(), dispose: () => undefined }),
);
