import { MemoryStore } from '../support/memory-store.ts';
import { testStoreContract } from './store-contract.ts';

testStoreContract('memory', () => {
  const store = new MemoryStore();
  return Promise.resolve({ store, dispose: () => store.close() });
});
