// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.6.6;

/// A token whose decimals are whatever a test needs. Everybody may mint.
contract Token {
    string public name;
    string public symbol;
    uint8 public decimals;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    constructor(string memory symbol_, uint8 decimals_) public {
        name = symbol_;
        symbol = symbol_;
        decimals = decimals_;
    }

    function mint(address to, uint256 value) external {
        totalSupply += value;
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        if (allowance[from][msg.sender] != uint256(-1)) {
            require(allowance[from][msg.sender] >= value, "allowance");
            allowance[from][msg.sender] -= value;
        }
        move(from, to, value);
        return true;
    }

    function move(address from, address to, uint256 value) internal {
        require(balanceOf[from] >= value, "balance");
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}

/// As some old tokens: the symbol is a bytes32.
contract Bytes32Token {
    bytes32 public symbol = "OLD";
    uint8 public decimals = 18;
    mapping(address => uint256) public balanceOf;
}

/// Tells no symbol, nor decimals.
contract RevertingToken {
    function symbol() external pure returns (string memory) { revert("no symbol"); }
    function decimals() external pure returns (uint8) { revert("no decimals"); }
    function balanceOf(address) external pure returns (uint256) { revert("no balance"); }
}
