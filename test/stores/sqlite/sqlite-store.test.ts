import { openSqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts';
import { makeTempDir } from '../make-temp-dir.ts';
import { testStoreContract } from '../store-contract.ts';

testStoreContract('sqlite', async () => {
  const directory = makeTempDir();
  return {
    store: await openSqliteStore(`${directory.path}/state.db`),
    dispose: directory.remove,
  };
});
