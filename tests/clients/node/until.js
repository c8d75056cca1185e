'use strict';
// Waits for what a worker does in its own time.

const assert = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');

// Asks `holds` every 10 ms, at most `tries` times, until it says true.
async function until(holds, tries) {
  for (let tried = 0; tried < tries; tried += 1) {
    if (await holds()) return;
    await sleep(10);
  }
  assert.fail('it did not come');
}

module.exports = { until };
