"""Stores, found by their URLs; each is imported when it is first used."""

from .registry import StoreLoader, create_store, data_stores, register_store, store_of_client
from .urls import StoreURL, redact

__all__ = ["StoreLoader", "StoreURL", "create_store", "data_stores", "redact", "register_store", "store_of_client"]
