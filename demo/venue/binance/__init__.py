"""Binance spot and USD-M futures as documented at developers.binance.com: field names, filters, weights, errors, streams."""
