import { MemoryStore } from '../support/memory-store.ts';
import { testAnnotationContract } from './annotation-contract.ts';
import { testStoreContract } from './store-contract.ts';

testStoreContract('memory', () => {
  const store = new MemoryStore();
  return Promise.resolve({ store, dispose: () => store.close() });
});

testAnnotationContract('memory', (limits) => {
  const store = new MemoryStore(limits);
  return Promise.resolve({ store, dispose: () => store.close() });
});
