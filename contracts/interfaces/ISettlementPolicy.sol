// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title What the settlement pallet asks a policy contract
/// @notice A zone's policy says who owes whom for one delivery slot. It only answers: custody, the conservation of
/// money and the order of payment are the runtime's, and the runtime checks every answer.
/// @dev Units: energy in Wh, money in minor units of the settlement currency, prices in minor units per kWh. A policy
/// answers from the question alone: the runtime calls it without value, a page of positions at a time, and may ask the
/// same question again.
interface ISettlementPolicy {
    /// @notice The terms of the zone and the slot, prices in minor units per kWh, parts in millionths.
    struct Terms {
        /// The uniform price at which the auction cleared; zero if nothing was traded in it.
        uint64 clearingPrice;
        /// What the grid operator takes for each kWh bought.
        uint64 gridFee;
        /// What the grid operator takes besides, as a part of what is paid for the energy.
        uint32 gridFeePpm;
        /// The part of a promise that may be missed without an imbalance price.
        uint32 tolerancePpm;
        /// Whether shortages and surpluses have one price, by the state of the slot.
        bool singlePrice;
        /// The imbalance price of shortages.
        uint64 shortagePrice;
        /// The imbalance price of surpluses.
        uint64 surplusPrice;
        /// Sold and not delivered beyond the tolerance, in the whole slot, in Wh.
        uint64 shortageWh;
        /// Bought and not taken beyond the tolerance, in the whole slot, in Wh.
        uint64 surplusWh;
    }

    /// @notice What one participant contracted and what its meters measured in the slot, energy in Wh.
    struct Position {
        /// Bought, in the auction and bilaterally.
        uint64 boughtWh;
        /// Sold, likewise.
        uint64 soldWh;
        /// To be paid for what was bought, in minor units.
        uint128 payableAmount;
        /// To be received for what was sold, in minor units.
        uint128 receivableAmount;
        /// Taken from the grid.
        uint64 importWh;
        /// Fed into the grid.
        uint64 exportWh;
        /// The money committed for the position, in minor units: the most that it can pay on balance.
        uint128 held;
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
