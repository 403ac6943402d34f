import pg from 'pg';
import { checkAgainstModel } from '../support/store-model.ts';
import { Stores } from './stores.ts';

const RUNS = 60;
const stores = new Stores();
let pool: pg.Pool | undefined;

describe('postgres: random commands', function () {
  this.timeout(300_000);

  before(async function () {
    await stores.begin(this);
    pool = new pg.Pool({ connectionString: stores.server.url, max: 4 });
  });

  after(() => pool?.end());

  it('get the answers of the model, with partitions of eight events on a pool that is shared', async () => {
    let runs = 0;
    await checkAgainstModel(
      {
        create: () => {
          const indexPayload = ++runs % 2 === 0;
          const index = runs % 3 === 0 ? [] : ['payload.lane'];
          return stores.create({ pool: pool!, partitionEvents: 8, index, indexPayload });
        },
        reopen: (store) => stores.again(store),
        cleanUp: (store) => stores.cleanUp(store),
      },
      RUNS,
    );
  });
});
