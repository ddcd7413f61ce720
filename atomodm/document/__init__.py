"""The model classes that programs derive from, wired to serializers and managers."""

from ..manager.manager import ModelManager
from ..model import Model
from ..serializer import ModelSerializer
from .json_model import JSONModel
from .nosql_model import NoSQLModel, save_all

Model.serializer = ModelSerializer.instance()
Model.objects = ModelManager.instance()

__all__ = ["JSONModel", "Model", "NoSQLModel", "save_all"]
