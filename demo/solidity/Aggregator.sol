// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.6.6;

import "@chainlink/contracts/src/v0.6/tests/MockV3Aggregator.sol";

/// Chainlink's own mock, with the bounds that its off-chain aggregators have: an answer outside of them is not told.
contract Aggregator is MockV3Aggregator {
    int192 public minAnswer;
    int192 public maxAnswer;

    constructor(uint8 decimals_, int256 answer, int192 least, int192 most) public MockV3Aggregator(decimals_, answer) {
        minAnswer = least;
        maxAnswer = most;
    }
}
