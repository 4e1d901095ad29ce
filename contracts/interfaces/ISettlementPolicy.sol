// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title What the settlement pallet asks a policy contract
/// @notice A zone's policy says who owes whom for one delivery slot. It only answers: custody, the conservation of
/// money and the order of payment are the runtime's, and the runtime checks every answer.
/// @dev Units: energy in Wh, money in minor units of the settlement currency, prices in minor units per kWh. A policy
/// answers from the question alone: the runtime calls it without value, a page of positions at a time, and may ask the
/// same question again.
interface ISettlementPolicy {
    /// @notice The prices of the zone and the slot, in minor units per kWh.
    struct Terms {
        /// The uniform price at which the market cleared.
        uint64 clearingPrice;
        /// What the grid operator takes for each kWh bought.
        uint64 gridFee;
        /// What a seller pays for energy it sold and did not deliver.
        uint64 shortagePrice;
        /// What a buyer gets back for energy it bought and did not take.
        uint64 surplusPrice;
    }

    /// @notice What one participant contracted and what its meters measured in the slot, in Wh.
    struct Position {
        /// Bought on the market.
        uint64 boughtWh;
        /// Sold on the market.
        uint64 soldWh;
        /// Taken from the grid.
        uint64 importWh;
        /// Fed into the grid.
        uint64 exportWh;
    }

    /// @notice What one participant receives or pays, in minor units.
    struct CashFlow {
        /// For the energy contracted: positive, the participant receives; negative, it pays.
        int128 energy;
        /// For the deviation from the contract: positive, the participant receives; negative, it pays.
        int128 imbalance;
        /// What the participant pays for the grid.
        uint128 gridFee;
    }

    /// @notice The cash flow of each position.
    /// @dev Selector 0xda7b7346. A call that reverts, traps, runs out of gas or returns anything else than one flow per
    /// position halts the settlement of the zone; nothing moves.
    /// @param terms The prices, the same for every position.
    /// @param positions The positions of one page.
    /// @return flows One per position, in the order of the positions.
    function settle(Terms calldata terms, Position[] calldata positions)
        external
        view
        returns (CashFlow[] memory flows);
}
